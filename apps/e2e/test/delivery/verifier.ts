import {
  connect,
  DeadLetter,
  type Delivery,
  GroupMode,
  type Hermes,
  parseRetryPolicy,
  stringCodec,
} from '@hermes/client';
import { parseMessageId } from '@hermes/contracts';
import { eventually, SeededRandom } from '@hermes/testing';

import { type Cluster } from '../harness/cluster.js';
import { deadTexts } from '../harness/dead-letters.js';

const GROUP = 'verified';
const ATTEMPTS_MAX = 5;
/** What the group does not want. */
const UNWANTED = 'unwanted';
const KEYS = 40;
const EXAMPLES_MAX = 5;

/** What was published under one text. */
interface Published {
  readonly mayExpire: boolean;
  readonly isWanted: boolean;
}

/** What one message went through, as its handlers saw it. */
interface History {
  readonly id: string;
  /** Decisions that were answered, in their order. */
  readonly decided: ('ack' | 'nack' | 'dead')[];
  lastAttempt: number;
}

/**
 * Publishes and consumes at random, and writes down what it did itself: priorities, delays, times to live, filtered ones;
 * handlers that acknowledge, fail, give up and give back. Nothing is taken from the cluster but what was asked for.
 */
export class Verifier {
  /** Priority levels of its topic. */
  static readonly LANES = 3;
  /** What must not be, with some examples. */
  readonly #violations: string[] = [];
  readonly #topic: string;
  readonly #mode: GroupMode;
  readonly #random: SeededRandom;
  readonly #published = new Map<string, Published>();
  readonly #histories = new Map<string, History>();
  /** Highest offset that was begun, by what has to be in order. */
  readonly #begun = new Map<string, number>();
  readonly #running: { stop(): Promise<void> }[] = [];
  readonly #clients: Hermes[] = [];

  constructor(topic: string, mode: GroupMode, seed: number) {
    this.#topic = topic;
    this.#mode = mode;
    this.#random = new SeededRandom(seed);
  }

  /** Messages that have an answered end: acknowledged, or given up. */
  get ended(): number {
    return [...this.#histories.values()].filter(({ decided }) => isOver(decided)).length;
  }

  /** Makes the group, and consumers of both kinds: through the gateway, and of the brokers. */
  async consume(hermes: Hermes, cluster: Cluster): Promise<void> {
    await hermes.admin.createGroup({
      ...{ topic: this.#topic, name: GROUP, mode: this.#mode, filter: `attributes["kind"] != "${UNWANTED}"` },
      retry: parseRetryPolicy(`3:[${ATTEMPTS_MAX - 1},50]`),
    });
    for (const isDirect of [false, true]) {
      const client = await connect(
        isDirect ? { metaServers: [cluster.metaEndpoint] } : { gateway: cluster.gatewayEndpoint },
      );
      this.#clients.push(client);
      for (const name of ['a', 'b']) {
        const consumer = client.consumer<string>(this.#topic, GROUP, {
          name: `${name}-${this.#clients.length}`,
          codec: stringCodec,
          maxInFlight: 100,
        });
        const running = consumer.run((delivery) => this.#handle(delivery, isDirect));
        this.#running.push({
          stop: async () => {
            await consumer.drain();
            await running;
          },
        });
      }
    }
  }

  /** Publishes so many more, some at a time; all of them are stored when it resolves. */
  async publish(hermes: Hermes, count: number): Promise<void> {
    const producer = hermes.producer<string>(this.#topic, { codec: stringCodec });
    const one = async (text: string): Promise<void> => {
      const draw = this.#random.next();
      const published = { mayExpire: draw < 0.05, isWanted: draw < 0.9 };
      this.#published.set(text, published);
      await producer.publish(text, {
        key: `key-${this.#random.integer(0, KEYS - 1)}`,
        priority: this.#random.integer(0, Verifier.LANES - 1),
        attributes: { kind: published.isWanted ? 'wanted' : UNWANTED },
        ...(published.mayExpire ? { ttlMs: this.#random.integer(1, 300) } : {}),
        ...(!published.mayExpire && this.#random.chance(0.1) ? { delayMs: this.#random.integer(1, 2_000) } : {}),
      });
    };
    const total = this.#published.size + count;
    for (let from = this.#published.size; from < total; from += 50) {
      await Promise.all(Array.from({ length: Math.min(50, total - from) }, (_, nth) => one(`message-${from + nth}`)));
    }
  }

  /** Waits until nothing is left, stops, and expects that every message has exactly one end. */
  async expectAllEnded(hermes: Hermes): Promise<void> {
    await eventually(
      async () => {
        const { lanes } = await hermes.admin.describeTopic(this.#topic);
        expect(lanes.filter(({ scheduled }) => scheduled > 0)).toEqual([]);
        const group = await hermes.admin.describeGroup(this.#topic, GROUP);
        expect(group.lanes.filter(({ lag }) => lag > 0)).toEqual([]);
      },
      { deadlineMs: 60_000 },
    );
    await Promise.all(this.#running.map((consumer) => consumer.stop()));
    await Promise.all(this.#clients.map((client) => client.close()));
    const dead = await deadTexts(hermes, this.#topic, GROUP);
    this.#verify(dead.map((letter) => letter.replace(/#\d+$/, '')));
    expect(this.#violations).toEqual([]);
  }

  /** `dead` are the texts of the group's dead letters; all else that is wanted was acknowledged, but for what has expired. */
  #verify(dead: readonly string[]): void {
    const given = new Set(dead);
    this.#check(given.size === dead.length, 'a message died twice');
    for (const [text, { mayExpire, isWanted }] of this.#published) {
      const decided = this.#histories.get(text)?.decided ?? [];
      const isAcknowledged = decided.includes('ack');
      if (!isWanted) {
        this.#check(decided.length === 0 && !given.has(text), `${text} is not wanted`);
        continue;
      }
      this.#check(!(isAcknowledged && given.has(text)), `${text} was acknowledged, and is dead`);
      this.#check(isAcknowledged || given.has(text) || mayExpire, `${text} is lost after ${decided.join()}`);
      this.#check(!decided.includes('dead') || given.has(text), `${text} was given up, and is not there`);
    }
    this.#check(
      dead.every((text) => this.#published.has(text)),
      'something else is dead',
    );
  }

  async #handle(delivery: Delivery<string>, isDirect: boolean): Promise<void> {
    const { body, attempt } = delivery;
    const history = this.#begin(delivery, isDirect);
    const draw = this.#random.next();
    if (draw < 0.05) {
      await delivery.return();
      return;
    }
    if (draw < 0.15) {
      await delivery.nack();
      history.decided.push(attempt === ATTEMPTS_MAX ? 'dead' : 'nack');
      return;
    }
    if (draw < 0.17) {
      await delivery.deadLetter('drawn');
      history.decided.push('dead');
      return;
    }
    if (draw < 0.2) {
      // Not answered: whether it counted, only the next delivery tells.
      throw draw < 0.19 ? new Error(body) : new DeadLetter(body);
    }
    await delivery.ack();
    history.decided.push('ack');
  }

  #begin(delivery: Delivery<string>, isDirect: boolean): History {
    const { id, body, message } = delivery;
    const history = this.#histories.get(body) ?? { id, decided: [], lastAttempt: 0 };
    const published = this.#published.get(body);
    this.#check(published?.isWanted === true, `${body} came, and is not wanted`);
    this.#check(id === history.id, `${body} is stored twice: ${history.id} and ${id}`);
    if (!this.#histories.has(body)) {
      this.#histories.set(body, history);
      if (published?.mayExpire === false) {
        this.#inOrder(id, message.key);
      }
    } else if (isDirect) {
      this.#comesAgain(delivery, history);
    }
    return history;
  }

  /**
   * What a broker gives again it knows the past of. (Behind a gateway a delivery of a broker that died stays with its consumer,
   * which may begin it when another one was through with the message.)
   */
  #comesAgain({ body, attempt }: Delivery<string>, history: History): void {
    const { decided } = history;
    const nacks = decided.filter((one) => one === 'nack').length;
    this.#check(!isOver(decided), `${body} came after its end: ${decided.join()}`);
    this.#check(attempt >= history.lastAttempt, `${body} came as attempt ${attempt} after ${history.lastAttempt}`);
    this.#check(attempt > nacks, `${body} came as attempt ${attempt} after ${nacks} failed ones`);
    history.lastAttempt = attempt;
  }

  /**
   * First deliveries of what has to be in order come by their offsets. (But for what may expire: a consumer may begin what a
   * broker had sent before it lost its lease, while that broker's heir has passed over it as expired, and gone on.)
   */
  #inOrder(id: string, key: string): void {
    const { partition = 0, lane = 0, offset = 0 } = parseMessageId(id) ?? {};
    const line = `${partition}/${lane}/${this.#mode === GroupMode.EXCLUSIVE ? '' : key}`;
    const last = this.#begun.get(line) ?? -1;
    this.#check(this.#mode === GroupMode.SHARED || offset > last, `${id} began after ${last}`);
    this.#begun.set(line, Math.max(last, offset));
  }

  #check(holds: boolean, violation: string): void {
    if (!holds && this.#violations.length < EXAMPLES_MAX) {
      this.#violations.push(violation);
    }
  }
}

const isOver = (decided: History['decided']): boolean => decided.some((one) => one !== 'nack');
