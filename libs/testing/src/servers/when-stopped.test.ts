import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { execPath } from 'node:process';

import { whenStopped } from './when-stopped.js';

describe('whenStopped', () => {
  it('waits until a process stands still', async () => {
    const child = spawn(execPath, ['-e', 'for (;;) process.stdout.write(".")'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      await once(child.stdout, 'data');
      let isStopped = false;
      const waiting = whenStopped(child.pid!).then(() => {
        isStopped = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(isStopped).toBe(false);
      child.kill('SIGSTOP');
      await waiting;
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('does not wait for a process that cannot be looked at', async () => {
    await whenStopped(2 ** 30);
  });
});
