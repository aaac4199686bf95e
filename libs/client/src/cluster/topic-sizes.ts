import { AdminServiceService, HermesError } from '@hermes/contracts';
import { type CallLimits, type Environment } from './environment.js';
import { failureOf } from './failure.js';
import { type MetaServers } from './meta-servers.js';

/** A number of partitions is asked for again after so long: partitions are added. */
const REFRESH_MS = 5_000;
/** Who publishes waits no longer for an answer, and goes on without. */
const PATIENCE_MS = 2_000;
/** After no answer the next one is asked for when so much time has passed. */
const PAUSE_MS = 1_000;

interface TopicSize {
  count: number | undefined;
  /** When it is asked for next; monotonic. */
  dueAtMs: number;
  asking: Promise<number | undefined> | undefined;
}

/** How many partitions topics have, as a gateway tells that splits by partition itself. */
export class TopicSizes {
  readonly #servers: MetaServers;
  readonly #environment: Environment;
  readonly #topics = new Map<string, TopicSize>();

  constructor(servers: MetaServers, environment: Environment) {
    this.#servers = servers;
    this.#environment = environment;
  }

  /** What is known; it is asked for again in the background when it is old. */
  known(topic: string): number | undefined {
    const size = this.#topics.get(topic);
    if (size?.count !== undefined && size.dueAtMs <= this.#nowMs) {
      this.#ask(topic, size).catch(() => undefined);
    }
    return size?.count;
  }

  /** Undefined: nobody can tell now. Rejects with TOPIC_NOT_FOUND, and whatever else is refused for good. */
  async of(topic: string, { signal }: Pick<CallLimits, 'signal'>): Promise<number | undefined> {
    const size = this.#topics.get(topic) ?? { count: undefined, dueAtMs: 0, asking: undefined };
    this.#topics.set(topic, size);
    if (size.asking === undefined && size.dueAtMs > this.#nowMs) {
      return size.count;
    }
    return untilAborted(this.#ask(topic, size), signal);
  }

  /** The topic is not what it was. False if nothing was known of it. */
  forget(topic: string): boolean {
    return this.#topics.delete(topic);
  }

  get #nowMs(): number {
    return this.#environment.clock.monotonicMs();
  }

  /** Calls meanwhile share one question. */
  #ask(topic: string, size: TopicSize): Promise<number | undefined> {
    size.asking ??= this.#askOnce(topic, size).finally(() => {
      size.asking = undefined;
    });
    return size.asking;
  }

  async #askOnce(topic: string, size: TopicSize): Promise<number | undefined> {
    try {
      const limits = { deadlineAtMs: this.#nowMs + PATIENCE_MS };
      const answer = await this.#servers.unary(AdminServiceService.getTopic, { topic }, limits);
      size.count = answer.topic?.partitions;
      size.dueAtMs = this.#nowMs + REFRESH_MS;
    } catch (error) {
      if (!(error instanceof HermesError) || failureOf(error) === 'final') {
        this.forget(topic);
        throw error;
      }
      size.dueAtMs = this.#nowMs + PAUSE_MS;
    }
    return size.count;
  }
}

/** Stops waiting, with the signal's reason. */
async function untilAborted<T>(waiting: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) {
    return waiting;
  }
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([waiting, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
