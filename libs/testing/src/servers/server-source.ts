import { eventually } from '../eventually.js';
import { type Engine } from './engine.js';

/** Where servers come from, in this order. */
export const SERVER_SOURCES = ['docker', 'program'] as const;
export type ServerSource = (typeof SERVER_SOURCES)[number];

/** A server that was started answers within this time, on a busy machine, too. */
const READY_DEADLINE_MS = 60_000;

/** A server from the first source that has one; else an error that says what was missing in each, and the advice. */
export async function openServer<T extends object>(
  what: string,
  sources: readonly ServerSource[],
  open: (source: ServerSource) => Promise<T | string>,
  advice: string,
): Promise<T> {
  const problems: string[] = [];
  for (const source of sources) {
    const opened = await open(source);
    if (typeof opened !== 'string') {
      return opened;
    }
    problems.push(opened);
  }
  throw new Error(`no ${what} for the tests: ${problems.join('; ')}. ${advice}`);
}

/** Waits until `probe` no longer fails; throws the last of the server's log if it has ended. */
export async function untilReady(engine: Engine, probe: () => Promise<unknown>): Promise<void> {
  const failure = await eventually(
    async () => {
      const ended = await engine.failure();
      if (ended === undefined) {
        await probe();
      }
      return { ended };
    },
    { deadlineMs: READY_DEADLINE_MS, intervalMs: 50 },
  );
  if (failure.ended !== undefined) {
    throw new Error(`the server does not start: ${failure.ended}`);
  }
}
