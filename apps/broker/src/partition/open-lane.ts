import { type Durability } from '@hermes/contracts';
import { Appender, type MessageLog, type RecordBlock } from '@hermes/log';
import { keyHashOfRecord } from './key-hash.js';
import { type Lane } from './lane.js';
import { type PartitionServices } from './partition-services.js';

export interface LaneEvents {
  readonly appended: () => void;
  readonly fenced: () => void;
  readonly durability: () => Durability;
  /** Given where the store takes what a stale owner appends. */
  readonly isOwner: (() => boolean) | undefined;
}

/** Sets a lane's log up for appends and reads. */
export function openLane(log: MessageLog, topic: string, services: PartitionServices, on: LaneEvents): Lane {
  const tail = services.tailCache.openLane();
  const { clock, random, counters, appendBudget: budget } = services;
  const onAppended = ({ count, recordBytes }: RecordBlock): void => {
    counters.published(count, recordBytes);
    if (log.feed === undefined) {
      on.appended();
    }
  };
  log.feed?.follow({
    records: (block) => {
      tail.append(block.withKeyHashes(keyHashOfRecord));
      on.appended();
    },
    grown: on.appended,
  });
  return {
    number: log.lane,
    log,
    tail,
    appender: new Appender({
      log,
      tail: log.feed === undefined ? tail : undefined,
      budget,
      clock,
      random,
      onAppended,
      onFenced: on.fenced,
      ...(on.isOwner === undefined ? {} : { isOwner: on.isOwner }),
    }),
    durability: on.durability,
    idPrefix: Buffer.from(`${topic}/${log.partition}/${log.lane}/`),
  };
}
