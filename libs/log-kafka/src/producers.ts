import { StoreError } from '@hermes/log';
import { Backoff, type Random, sleep, type Timers } from '@hermes/runtime';
import type { Message } from 'kafkajs';

import { type KafkaCluster, type KafkaPlace, placeKey } from './kafka-cluster.js';
import { isForgottenProducer, isRefused, isTooLarge, isUnstorable, readFault } from './kafka-fault.js';
import type { KafkaCounters } from './kafka-figures.js';
import { ProducerIdentity } from './producer-identity.js';

/** One batch of one lane. */
export interface Produce extends KafkaPlace {
  /** All with the same timestamp. */
  readonly messages: readonly Message[];
  readonly bytes: number;
  /** Aborted when nobody waits for the outcome any longer. */
  readonly signal: AbortSignal;
}

export type DefiniteProduceOutcome =
  { readonly kind: 'stored'; readonly firstOffset: number } | { readonly kind: 'refused'; readonly error: StoreError };

export type ProduceOutcome =
  | DefiniteProduceOutcome
  /** Rejects with StoreError if it cannot be found out any more. */
  | { readonly kind: 'inDoubt'; readonly resolution: Promise<DefiniteProduceOutcome> };

export interface ProducersOptions {
  readonly cluster: KafkaCluster;
  readonly counters: KafkaCounters;
  readonly timers: Timers;
  readonly random: Random;
}

/** Bytes of one request: several lanes' batches. */
const REQUEST_BYTES_MAX = 8 * 1024 * 1024;

const RETRY = { initialMs: 50, maxMs: 2_000 };

/** A request to one broker at a time: while it is under way, the next gathers. */
interface LeaderQueue {
  readonly leader: number | undefined;
  readonly waiting: { readonly produce: Produce; readonly settle: (outcome: ProduceOutcome) => void }[];
  running: boolean;
}

/**
 * Appends to Kafka with the numbers of an idempotent producer, by which a broker recognises a batch that comes again.
 *
 * An attempt whose outcome is not known is repeated, unchanged and under the same numbers, until Kafka says where the
 * batch is: so it is stored once. If that is given up, the producer's identity is not used again: a later batch of the
 * same number and size would be taken for the lost one, and acknowledged without being stored.
 */
export class Producers {
  readonly #options: ProducersOptions;
  readonly #queues = new Map<number | undefined, LeaderQueue>();
  #identity: Promise<ProducerIdentity> | undefined;
  #inDoubt = 0;
  #closed = false;

  constructor(options: ProducersOptions) {
    this.#options = options;
  }

  /** Batches that wait until the request before them is answered. */
  get waiting(): number {
    return [...this.#queues.values()].reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  /** Batches of which it is not known whether they are stored. */
  get inDoubt(): number {
    return this.#inDoubt;
  }

  /** At most one produce of a place is under way at a time. */
  async send(produce: Produce): Promise<ProduceOutcome> {
    const forget = (): void => {
      this.#identity = undefined;
    };
    // Whoever opens the lane next must not use the numbers of a batch that may be stored.
    produce.signal.addEventListener('abort', forget);
    const outcome = await new Promise<ProduceOutcome>((settle) => {
      const queue = this.#queueOf(produce);
      queue.waiting.push({ produce, settle });
      void this.#run(queue);
    });
    const known = outcome.kind === 'inDoubt' ? outcome.resolution.catch(() => undefined) : Promise.resolve();
    void known.then(() => {
      produce.signal.removeEventListener('abort', forget);
    });
    return outcome;
  }

  /** What is in doubt stays in doubt. */
  close(): void {
    this.#closed = true;
  }

  #queueOf(place: KafkaPlace): LeaderQueue {
    const leader = this.#options.cluster.leaderOf(place);
    let queue = this.#queues.get(leader);
    if (queue === undefined) {
      queue = { leader, waiting: [], running: false };
      this.#queues.set(leader, queue);
    }
    return queue;
  }

  async #run(queue: LeaderQueue): Promise<void> {
    if (queue.running) {
      return;
    }
    queue.running = true;
    while (queue.waiting.length > 0) {
      // Nobody is known to lead these: each looks for its own leader.
      const request = queue.leader === undefined ? queue.waiting.splice(0, 1) : take(queue);
      const outcomes = await this.#attempt(
        queue.leader,
        request.map(({ produce }) => produce),
      );
      request.forEach(({ settle }, index) => {
        settle(outcomes[index] as ProduceOutcome);
      });
    }
    queue.running = false;
  }

  /** The first attempt of several lanes' batches together: each has an outcome of its own. */
  async #attempt(leader: number | undefined, produces: readonly Produce[]): Promise<ProduceOutcome[]> {
    let identity: ProducerIdentity | undefined;
    try {
      identity = await this.#identify();
      const writer = identity;
      const answers = await this.#send(leader, writer, produces);
      return produces.map((produce, index) => this.#outcome(writer, produce, answers[index]));
    } catch (error) {
      const writer = error instanceof NotSent ? undefined : identity;
      return produces.map((produce) => this.#outcome(writer, produce, error));
    }
  }

  /** What the answer to the first attempt, or the lack of one, says of a batch; undefined `writer`: it was not sent. */
  #outcome(writer: ProducerIdentity | undefined, produce: Produce, answer: unknown): ProduceOutcome {
    if (typeof answer === 'number') {
      return { kind: 'stored', firstOffset: answer };
    }
    const error = this.#readFault(answer, produce);
    if (writer === undefined || isRefused(answer)) {
      return { kind: 'refused', error };
    }
    this.#inDoubt += 1;
    const resolution = this.#resolve(writer, produce).finally(() => {
      this.#inDoubt -= 1;
    });
    // Whoever waits for it hears of it; nobody has to.
    resolution.catch(() => undefined);
    return { kind: 'inDoubt', resolution };
  }

  /** An error of an attempt, and what follows from it for the next ones. */
  #readFault(error: unknown, produce: Produce): StoreError {
    if (isForgottenProducer(error)) {
      this.#identity = undefined;
    }
    this.#options.counters.oversizedAppends += isTooLarge(error) ? 1 : 0;
    return readFault(error instanceof NotSent ? error.cause : error, `append to ${placeKey(produce)}`);
  }

  /** Repeats one batch until its outcome is known. */
  async #resolve(identity: ProducerIdentity, produce: Produce): Promise<DefiniteProduceOutcome> {
    const backoff = new Backoff(RETRY, this.#options.random);
    for (;;) {
      try {
        await sleep(this.#options.timers, backoff.nextDelayMs(), produce.signal);
        await this.#options.cluster.refresh().catch(() => undefined);
        this.#options.counters.appendRepeats += 1;
        const [answer] = await this.#send(undefined, identity, [produce]);
        if (typeof answer === 'number') {
          return { kind: 'stored', firstOffset: answer };
        }
        throw answer as Error;
      } catch (error) {
        if (produce.signal.aborted || this.#closed) {
          throw new StoreError('closed', `${placeKey(produce)} was closed before Kafka had answered`);
        }
        const fault = this.#readFault(error, produce);
        if (isUnstorable(error)) {
          return { kind: 'refused', error: fault };
        }
        if (isForgottenProducer(error)) {
          throw fault;
        }
      }
    }
  }

  /** What the broker says of each batch. Rejects with NotSent, or, if they may be stored, as kafkajs does. */
  async #send(
    leader: number | undefined,
    identity: ProducerIdentity,
    produces: readonly Produce[],
  ): Promise<readonly (number | Error)[]> {
    const { cluster } = this.#options;
    const broker = await tried(async () => {
      const [first] = produces;
      return cluster.broker(leader ?? (first === undefined ? -1 : await cluster.findLeader(first)));
    });
    return identity.send(broker, produces);
  }

  /** Rejects with StoreError if there is none to be had. */
  async #identify(): Promise<ProducerIdentity> {
    if (this.#closed) {
      throw new StoreError('closed', 'the data source is closed');
    }
    if ((await this.#identity?.catch(() => undefined))?.isUsedUp === true) {
      this.#identity = undefined;
    }
    this.#identity ??= ProducerIdentity.obtain(this.#options.cluster);
    try {
      return await this.#identity;
    } catch (error) {
      this.#identity = undefined;
      throw readFault(error, 'become a producer of Kafka');
    }
  }
}

/** Nothing went out: whatever it was, it is not stored. */
class NotSent extends Error {
  override readonly name = 'NotSent';
}

async function tried<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw new NotSent('nothing was sent', { cause });
  }
}

/** Takes batches off the queue, up to a request's bytes; the first one whatever its size. */
function take({ waiting }: LeaderQueue): LeaderQueue['waiting'] {
  let bytes = 0;
  let count = 0;
  for (const { produce } of waiting) {
    bytes += produce.bytes;
    if (count > 0 && bytes > REQUEST_BYTES_MAX) {
      break;
    }
    count += 1;
  }
  return waiting.splice(0, count);
}
