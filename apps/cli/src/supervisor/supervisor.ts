import { type ChildProcess, fork } from 'node:child_process';
import { EXIT_CODE, type ExitCode, ExitError, type Logger, type RunningService } from '@hermes/kit';
import { Backoff, type StopOptions } from '@hermes/runtime';

/** A broker that dies again and again must not keep the machine busy; one that ran for a while starts afresh. */
const RESTART = { initialMs: 500, maxMs: 30_000 };
const RAN_WELL_MS = 60_000;

/** After its own deadline a process is given this much longer, then killed. */
const STOP_GRACE_MS = 1_000;

/** Ends that no new start changes. */
const FOR_GOOD: readonly (number | null)[] = [EXIT_CODE.USAGE, EXIT_CODE.CONFIG, EXIT_CODE.RIGHTS];

/** One process to keep running. */
export interface SupervisedProcess {
  readonly name: string;
  /** Arguments of the `hermes` command. */
  readonly args: readonly string[];
}

export interface SupervisorOptions {
  /** The file of the `hermes` command. */
  readonly program: string;
  readonly processes: readonly SupervisedProcess[];
  readonly logger: Logger;
  /** Told once of a process that cannot run as it is configured. */
  readonly onFatal: (error: ExitError) => void;
}

/**
 * Keeps processes running: each one is ordinary, with an exit code and a log of its own; one that dies is started again,
 * the others go on. A process whose supervisor is gone drains by itself (`endWithSupervisor`).
 */
export class Supervisor implements RunningService {
  readonly #options: SupervisorOptions;
  readonly #running = new Map<SupervisedProcess, ChildProcess>();
  readonly #restarts = new Set<NodeJS.Timeout>();
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  start(): void {
    for (const process of this.#options.processes) {
      this.#run(process, new Backoff(RESTART));
    }
  }

  /** Lets all drain at once, and kills what is not through in time. */
  async stop({ deadlineMs }: StopOptions): Promise<void> {
    this.#stopping = true;
    this.#restarts.forEach((timer) => {
      clearTimeout(timer);
    });
    await Promise.all([...this.#running.values()].map((child) => end(child, deadlineMs + STOP_GRACE_MS)));
  }

  #run(process: SupervisedProcess, backoff: Backoff): void {
    const { program, logger } = this.#options;
    const startedMs = performance.now();
    // A session of its own: Ctrl-C is ours to pass on, once.
    const child = fork(program, [...process.args], { detached: true });
    this.#running.set(process, child);
    logger.info({ process: process.name, pid: child.pid }, 'a broker was started');
    child.once('error', (error) => {
      logger.error({ process: process.name, err: error }, 'a broker cannot be started');
    });
    child.once('exit', (code, signal) => {
      this.#running.delete(process);
      if (this.#stopping) {
        return;
      }
      if (FOR_GOOD.includes(code)) {
        const message = `${process.name} ended with ${String(code)}: see what it said`;
        this.#options.onFatal(new ExitError(code as ExitCode, message));
        return;
      }
      if (performance.now() - startedMs >= RAN_WELL_MS) {
        backoff.reset();
      }
      const delayMs = backoff.nextDelayMs();
      logger.error({ process: process.name, code, signal, delayMs }, 'a broker ended and is started again');
      const timer = setTimeout(() => {
        this.#restarts.delete(timer);
        this.#run(process, backoff);
      }, delayMs);
      this.#restarts.add(timer);
    });
  }
}

/** Ends this process in order when its supervisor, if it has one, is gone: nobody else would end it. */
export function endWithSupervisor(): void {
  if (process.connected) {
    process.once('disconnect', () => {
      process.kill(process.pid, 'SIGTERM');
    });
  }
}

function end(child: ChildProcess, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
    }, deadlineMs);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
