import { type LogShape, type OpeningGate, type OpenPartitionRequest, StoreError } from '@hermes/log';
import type { Clock } from '@hermes/runtime';

import type { KafkaTopics, TopicFacts } from './kafka-topics.js';

/** What is to be known of one attached topic of Hermes. */
interface Attachment {
  readonly topic: string;
  shape: LogShape;
  /** Partitions that are open. */
  open: number;
  openedAtMs: number;
  problem: string | undefined;
}

export interface AttachedTopicsOptions {
  readonly topics: KafkaTopics;
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

  /** The facts of a partition's one lane; it counts as open until `gate` ends. Rejects with StoreError. */
  async find({ topicId, shape }: OpenPartitionRequest, gate: OpeningGate): Promise<readonly TopicFacts[]> {
    if (shape?.attached === undefined) {
      throw new StoreError('unavailable', `topic ${topicId} is not attached`);
    }
    const attachment = this.#attachment(topicId, shape, shape.attached.topic);
    attachment.open += 1;
    gate.signal.addEventListener('abort', () => {
      attachment.open -= 1;
    });
    const facts = await this.#look(attachment);
    if (facts === undefined || attachment.problem !== undefined) {
      throw new StoreError('unavailable', attachment.problem ?? '');
    }
    return [facts];
  }

  /** Looks at all of them. Rejects with StoreError. */
  async look(): Promise<void> {
    const sinceMs = this.#options.clock.monotonicMs() - FORGOTTEN_AFTER_MS;
    for (const [topicId, attachment] of this.#attachments) {
      if (attachment.open === 0 && attachment.openedAtMs < sinceMs) {
        this.#attachments.delete(topicId);
      } else {
        await this.#look(attachment);
      }
    }
  }

  #attachment(topicId: number, shape: LogShape, topic: string): Attachment {
    const known = this.#attachments.get(topicId) ?? { topic, shape, open: 0, openedAtMs: 0, problem: undefined };
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
    return facts;
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
