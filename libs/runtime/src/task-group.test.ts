import { createDeferred } from './deferred.js';
import { TaskGroup } from './task-group.js';

describe('TaskGroup', () => {
  it('reports failures, synchronous ones included, and goes on', async () => {
    const failures: string[] = [];
    const group = new TaskGroup((name, error) => failures.push(`${name}: ${(error as Error).message}`));
    group.run('rejects', () => Promise.reject(new Error('one')));
    group.run('throws', () => {
      throw new Error('two');
    });
    await group.settled();
    expect([...failures].sort()).toEqual(['rejects: one', 'throws: two']);
    expect(group.size).toBe(0);
  });

  it('waits for tasks that are started while it waits', async () => {
    const group = new TaskGroup(() => undefined);
    const gate = createDeferred<undefined>();
    let second = false;
    group.run('first', async () => {
      await gate.promise;
      group.run('second', async () => {
        await Promise.resolve();
        second = true;
      });
    });
    const settled = group.settled();
    gate.resolve(undefined);
    await settled;
    expect(second).toBe(true);
  });
});
