import { DEAD_LETTER_CAUSE, type DispatchOrder, type SealedChanges, SETTLE, type SettleKind } from '@hermes/delivery';
import { type CounterMetric, type Labels, type Metrics } from '@hermes/kit';

const OUTCOMES = {
  [SETTLE.ack]: 'ack',
  [SETTLE.nack]: 'nack',
  [SETTLE.return]: 'return',
  [SETTLE.extend]: 'extend',
  [SETTLE.deadLetter]: 'dead_letter',
};
const CAUSES = {
  [DEAD_LETTER_CAUSE.attempts]: 'attempts',
  [DEAD_LETTER_CAUSE.consumer]: 'consumer',
  [DEAD_LETTER_CAUSE.expired]: 'expired',
};

/** What has happened since the broker started, counted once it is durable. All partitions count here. */
export interface Counters {
  /** A batch of messages was appended. */
  published(messages: number, bytes: number): void;
  /** Publishes were known already, by their numbers or keys, and not stored again. */
  repeated(messages: number): void;
  /** Records were dropped, since their topic need not keep them. */
  trimmed(records: number): void;
  /** Messages were lost to a group, since their topic keeps nothing longer. */
  skipped(messages: number): void;
  /** Dead letters were dropped, since they were old or too many. */
  trimmedDeadLetters(messages: number): void;
  /** Messages were not delivered, since their time had passed. */
  expired(messages: number): void;
  /** Messages were given out to subscriptions. */
  delivered(orders: readonly DispatchOrder[]): void;
  /** Settles were confirmed to their consumers. */
  settled(kind: SettleKind, count: number): void;
  /** A settle was refused with this reason of the contract. */
  refused(reason: string): void;
  /** Changes of a group were committed: dead letters are among them. */
  committed(batch: SealedChanges): void;
}

/** Registers the counters; those with a closed list of labels are there from the start, at 0. */
export function createCounters(metrics: Metrics): Counters {
  const plain = (name: string, help: string): ((number: number) => void) => {
    const counter = metrics.counter(name, { help });
    return (number) => {
      counter.add(number);
    };
  };
  const published = metrics.counter('published_messages', { help: 'Messages that were appended.' });
  const publishedBytes = metrics.counter('published_bytes', { help: 'Bytes of the same.' });
  const batches = metrics.counter('append_batches', { help: 'Batches in which they were appended.' });
  const retries = metrics.counter('retries', { help: 'Failed attempts that another one will follow.' });
  const delivered = labelled(
    metrics.counter('delivered_messages', { help: 'Deliveries, first ones and later ones.', labels: ['redelivered'] }),
    (redelivered: 'false' | 'true') => ({ redelivered }),
    ['false', 'true'],
  );
  const settles = labelled(
    metrics.counter('settles', { help: 'Settles that were confirmed.', labels: ['outcome'] }),
    (outcome: string) => ({ outcome }),
    Object.values(OUTCOMES),
  );
  const dead = labelled(
    metrics.counter('dead_letters', { help: 'Messages that a group gave up.', labels: ['cause'] }),
    (cause: string) => ({ cause }),
    Object.values(CAUSES),
  );
  const refused = metrics.counter('refused_settles', { help: 'Settles that were refused.', labels: ['reason'] });
  return {
    published: (messages, bytes) => {
      published.add(messages);
      publishedBytes.add(bytes);
      batches.add();
    },
    repeated: plain('repeated_publishes', 'Publishes that were known already, and not stored again.'),
    trimmed: plain('trimmed_records', 'Records that were dropped by retention.'),
    skipped: plain(
      'skipped_messages',
      'Messages, by group, lost unsettled: hard_retention_age ended, or Kafka dropped them.',
    ),
    trimmedDeadLetters: plain('trimmed_dead_letters', 'Dead letters, dropped as old or too many.'),
    expired: plain('expired_messages', 'Messages, by group, whose ttl passed before delivery.'),
    delivered: (orders) => {
      const again = orders.reduce((sum, { dispatches }) => sum + count(dispatches, (each) => each.redelivered), 0);
      const all = orders.reduce((sum, { dispatches }) => sum + dispatches.length, 0);
      delivered('true', again);
      delivered('false', all - again);
    },
    settled: (kind, number) => {
      settles(OUTCOMES[kind], number);
    },
    refused: (reason) => {
      refused.add(1, { reason });
    },
    committed: ({ changes, failed }) => {
      retries.add(failed);
      for (const change of changes) {
        if (change.kind === 'deadLetter') {
          dead(CAUSES[change.entry.cause], 1);
        }
      }
    },
  };
}

/** Gives how to add to one of the values of a counter's label, all of which are known. */
function labelled<V extends string, L extends string>(
  counter: CounterMetric<L>,
  labelsOf: (value: V) => Labels<L>,
  values: readonly V[],
): (value: V, number: number) => void {
  for (const value of values) {
    counter.add(0, labelsOf(value));
  }
  return (value, number) => {
    counter.add(number, labelsOf(value));
  };
}

function count<T>(items: readonly T[], holds: (item: T) => boolean): number {
  return items.reduce((sum, item) => sum + (holds(item) ? 1 : 0), 0);
}
