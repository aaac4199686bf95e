import { STOP_DEADLINE_DEFAULT_MS, type StopOptions } from '@hermes/runtime';
import { EXIT_CODE, type ExitCode, exitCodeOf, ExitError } from './exit-code.js';
import { type Logger } from './logger.js';

/** What the runner needs of Node's `process`. */
export interface ProcessHost {
  on(event: string, listener: (argument: unknown) => void): unknown;
  off(event: string, listener: (argument: unknown) => void): unknown;
  exit(code: number): void;
}

/** Something that runs until it is stopped. */
export interface RunningService {
  stop(options: StopOptions): Promise<void>;
}

/** What to run, and how. */
export interface RunOptions {
  readonly logger: Logger;
  /** Starts everything; `signal` aborts when the process is told to end meanwhile. */
  readonly start: (signal: AbortSignal) => Promise<RunningService>;
  /** Time to finish what runs; 30 s if unset. */
  readonly drainMs?: number;
  /** Told an ExitError's sentence when the start fails; logged as an error if unset. */
  readonly explain?: (message: string) => void;
  readonly host?: ProcessHost;
}

/** Room between the drain deadline, which services keep by themselves, and giving up on them. */
const STOP_GRACE_MS = 2_000;

type Ending = { readonly kind: 'signal' } | { readonly kind: 'crash'; readonly error: unknown };

/**
 * Runs a service for the life of the process and gives the exit code. SIGTERM or SIGINT drains it, a second one
 * exits at once. What nobody caught is logged, drains, and ends in BUG: state after it cannot be trusted. An ExitError
 * among that is no bug: it ends the process with its sentence and its code.
 */
export async function runProcess(options: RunOptions): Promise<ExitCode> {
  const { logger, drainMs = STOP_DEADLINE_DEFAULT_MS, host = process } = options;
  const abort = new AbortController();
  const watch = watchEndings(host, logger);
  void watch.ending.then(() => {
    abort.abort(new Error('the process was told to end'));
  });
  try {
    const service = await startOrEnd(options, abort.signal);
    const ending = await watch.ending;
    const drained = service === undefined ? true : await stopWithin(service, drainMs, logger);
    if (ending.kind === 'crash') {
      return ending.error instanceof ExitError ? explainFailure(options, ending.error) : EXIT_CODE.BUG;
    }
    return drained ? EXIT_CODE.OK : EXIT_CODE.BUG;
  } catch (error) {
    return explainFailure(options, error);
  } finally {
    watch.stop();
  }
}

/** Ends the process by `error`, as one that nobody caught: `runProcess` drains it and gives its exit code. */
export function crash(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}

/** Undefined when the end came before the start was through. */
async function startOrEnd(options: RunOptions, signal: AbortSignal): Promise<RunningService | undefined> {
  try {
    return await options.start(signal);
  } catch (error) {
    if (signal.aborted) {
      return undefined;
    }
    throw error;
  }
}

async function stopWithin(service: RunningService, drainMs: number, logger: Logger): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => {
      logger.error({ drainMs }, 'not everything stopped in time');
      resolve(false);
    }, drainMs + STOP_GRACE_MS);
  });
  const stopped = service.stop({ deadlineMs: drainMs }).then(
    () => true,
    (error: unknown) => {
      logger.error({ err: error }, 'stopping failed');
      return false;
    },
  );
  try {
    return await Promise.race([stopped, late]);
  } finally {
    clearTimeout(timer);
  }
}

function explainFailure(options: RunOptions, error: unknown): ExitCode {
  if (error instanceof ExitError && options.explain !== undefined) {
    options.explain(error.message);
  } else if (error instanceof ExitError) {
    options.logger.error({}, error.message);
  } else {
    options.logger.fatal({ err: error }, 'the start failed');
  }
  return exitCodeOf(error);
}

function watchEndings(host: ProcessHost, logger: Logger): { ending: Promise<Ending>; stop: () => void } {
  let settle!: (ending: Ending) => void;
  let ended = false;
  const ending = new Promise<Ending>((resolve) => {
    settle = resolve;
  });
  const onSignal = (name: unknown): void => {
    if (ended) {
      host.exit(EXIT_CODE.INTERRUPTED);
      return;
    }
    ended = true;
    logger.info({ signal: name }, 'draining');
    settle({ kind: 'signal' });
  };
  const onCrash = (error: unknown): void => {
    if (!(error instanceof ExitError)) {
      logger.fatal({ err: error }, 'an error that nobody caught');
    }
    if (ended) {
      host.exit(EXIT_CODE.BUG);
      return;
    }
    ended = true;
    settle({ kind: 'crash', error });
  };
  const listeners = [
    ['SIGTERM', onSignal],
    ['SIGINT', onSignal],
    ['uncaughtException', onCrash],
    ['unhandledRejection', onCrash],
  ] as const;
  for (const [event, listener] of listeners) {
    host.on(event, listener);
  }
  const stop = (): void => {
    for (const [event, listener] of listeners) {
      host.off(event, listener);
    }
  };
  return { ending, stop };
}
