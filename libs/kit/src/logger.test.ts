import { createLogger } from './logger.js';

describe('the logger', () => {
  it('writes one line of JSON with facts as fields, errors with their causes, and its component', () => {
    const lines: string[] = [];
    const logger = createLogger({ component: 'broker', level: 'info', destination: { write: (l) => lines.push(l) } });
    logger.debug({}, 'not shown');
    logger.child({ topic: 'a\n{"level":"fatal"}' }).error({ err: new Error('outer', { cause: 'inner' }) }, 'failed');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: 'error',
      component: 'broker',
      topic: 'a\n{"level":"fatal"}',
      msg: 'failed',
      err: { type: 'Error', message: expect.stringContaining('outer') as string },
    });
    expect(lines[0]!.trimEnd()).not.toContain('\n');
  });
});
