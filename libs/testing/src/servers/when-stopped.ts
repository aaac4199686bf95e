import { readdirSync, readFileSync } from 'node:fs';

import { eventually } from '../eventually.js';

/**
 * Waits until a process that was sent SIGSTOP stands still: on a busy machine its threads may run on for a moment. One
 * that cannot be looked at from here is not waited for.
 */
export async function whenStopped(pid: number): Promise<void> {
  await eventually(() => threadStates(pid).every((state) => state === 'T'));
}

/** One letter per thread, as Linux tells them; none of a process that is not seen here. */
function threadStates(pid: number): string[] {
  return unlessGone(() => readdirSync(`/proc/${pid}/task`), []).map((thread) => {
    const stat = unlessGone(() => readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'), '');
    // Behind the name, which may itself have brackets.
    return stat.charAt(stat.lastIndexOf(')') + 2);
  });
}

function unlessGone<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
