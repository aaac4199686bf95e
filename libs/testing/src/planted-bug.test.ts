import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { loadWithBug } from './planted-bug.js';
import { temporaryDirectory } from './temporary-directory.js';

describe('loadWithBug', () => {
  const using = (bug: { code: string; instead: string; file?: string }): unknown => {
    using directory = temporaryDirectory();
    const entry = join(directory.path, 'index.ts');
    writeFileSync(entry, "import { one } from './one.js';\nexport const two: number = one + one;\n");
    writeFileSync(join(directory.path, 'one.ts'), 'export const one: number = 1;\n');
    return loadWithBug(entry, { file: 'one.ts', ...bug });
  };

  it('changes one place of the sources and nothing else', () => {
    expect(using({ code: '= 1', instead: '= 5' })).toMatchObject({ two: 10 });
  });

  it.each([
    ['is not there', { code: 'three', instead: '' }],
    ['is there twice', { code: 'o', instead: '' }],
    ['is in a file that is not loaded', { code: 'o', instead: '', file: 'three.ts' }],
  ])('refuses code that %s', (_, bug) => {
    expect(() => using(bug)).toThrow();
  });
});
