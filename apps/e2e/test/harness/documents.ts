import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const REPOSITORY = join(__dirname, '..', '..', '..', '..');
const GUIDE = join('docs', 'guide');

/** The pages of the guide, as paths in the repository. */
export const GUIDE_PAGES = readdirSync(join(REPOSITORY, GUIDE)).map((page) => join(GUIDE, page));

/** What a document of the repository has in code blocks of a language, in order. */
export function codeBlocks(document: string, language: string): string[] {
  const text = readFileSync(join(REPOSITORY, document), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, code = '']) => code);
}
