import { type LogShape, type OpeningGate, type OpenPartitionRequest, StoreError } from '@hermes/log';
import type { Clock } from '@hermes/runtime';

import type { KafkaTopics, TopicFacts } from './kafka-topics.js';

/** What is to be known of one attached topic of Hermes. */
interface Attachment {
  readonly topic: string;
  shape: LogShape;
  /** What tells it from a later topic of the same name; undefined if Kafka tells nothing. */
  kafkaTopicId: string | undefined;
  /** Of the partitions that are open. */
  readonly open: Set<OpeningGate>;
  openedAtMs: number;
  problem: string | undefined;
}

export interface AttachedFacts {
  readonly facts: TopicFacts;
  readonly kafkaTopicId: string | undefined;
}

export interface AttachedTopicsOptions {
  readonly topics: Pick<KafkaTopics, 'isOwn' | 'find' | 'idOf'>;
  readonly clock: Clock;
  /** Told once of each problem, as it begins. */
  readonly onProblem: (problem: string) => void;
}

/** A partition that could not be opened is tried again long before. */
const FORGOTTEN_AFTER_MS = 60_000;

/**
 * The Kafka topics that Hermes topics are attached to: there, and with as many partitions. If they are not, nothing more
 * of them is opened; what is open goes on. A topic that has grown has moved its keys, and whoever raises the Hermes topic's
 * `partitions`, too, says that this is in order.
 */
export class AttachedTopics {
  readonly #options: AttachedTopicsOptions;
  /** By the Hermes topic's id. */
  readonly #attachments = new Map<number, Attachment>();

  constructor(options: AttachedTopicsOptions) {
    this.#options = options;
  }

  /** What is wrong with any of them, as far as is known. */
  get problem(): string | undefined {
    const problems = [...this.#attachments.values()].flatMap(({ problem }) => problem ?? []);
    return problems.length === 0 ? undefined : [...new Set(problems)].join('; ');
  }

  /** What is known of a partition's topic; it counts as open until `gate` ends. Rejects with StoreError. */
  async find({ topicId, shape }: OpenPartitionRequest, gate: OpeningGate): Promise<AttachedFacts> {
    if (shape?.attached === undefined) {
      throw new StoreError('unavailable', `topic ${topicId} is not attached`);
    }
    const attachment = this.#attachment(topicId, shape, shape.attached.topic);
    const facts = await this.#look(attachment);
    if (facts === undefined || attachment.problem !== undefined) {
      throw new StoreError('unavailable', attachment.problem ?? '');
    }
    attachment.open.add(gate);
    gate.signal.addEventListener('abort', () => attachment.open.delete(gate));
    return { facts, kafkaTopicId: attachment.kafkaTopicId };
  }

  /** Looks at all of them. Rejects with StoreError. */
  async look(): Promise<void> {
    const sinceMs = this.#options.clock.monotonicMs() - FORGOTTEN_AFTER_MS;
    for (const [topicId, attachment] of this.#attachments) {
      if (attachment.open.size === 0 && attachment.openedAtMs < sinceMs) {
        this.#attachments.delete(topicId);
      } else {
        await this.#look(attachment);
      }
    }
  }

  #attachment(topicId: number, shape: LogShape, topic: string): Attachment {
    const none = { kafkaTopicId: undefined, problem: undefined };
    const known = this.#attachments.get(topicId) ?? { ...none, topic, shape, open: new Set(), openedAtMs: 0 };
    known.shape = shape;
    known.openedAtMs = this.#options.clock.monotonicMs();
    this.#attachments.set(topicId, known);
    return known;
  }

  async #look(attachment: Attachment): Promise<TopicFacts | undefined> {
    const { topic, shape } = attachment;
    const { topics, onProblem } = this.#options;
    const facts = topics.isOwn(topic) ? undefined : await topics.find(topic);
    const problem = topics.isOwn(topic)
      ? `the Kafka topic ${topic} is one of Hermes' own: nothing can be attached to it`
      : problemOf(topic, facts?.partitions, shape.partitions);
    if (problem !== undefined && problem !== attachment.problem) {
      onProblem(problem);
    }
    attachment.problem = problem;
    if (problem === undefined) {
      await this.#identify(attachment);
    }
    return facts;
  }

  /** Nothing that was open goes on with a topic that has only the name of the one before. */
  async #identify(attachment: Attachment): Promise<void> {
    const { topic, kafkaTopicId: before } = attachment;
    const now = await this.#options.topics.idOf(topic);
    attachment.kafkaTopicId = now ?? before;
    if (before !== undefined && now !== undefined && now !== before) {
      [...attachment.open].forEach((gate) => {
        gate.lose(`the Kafka topic ${topic} was deleted and made anew`);
      });
    }
  }
}

function problemOf(topic: string, found: number | undefined, wanted: number): string | undefined {
  if (found === undefined) {
    return `there is no Kafka topic ${topic}`;
  }
  return found === wanted
    ? undefined
    : `the Kafka topic ${topic} has ${found} partitions, and the Hermes topic that is attached to it ${wanted}`;
}
