import { type DescribeGroupResponse_Lane, HermesError } from '@hermes/contracts';
import { type RecordBlock, StoreError } from '@hermes/log';
import { type Partition } from '../partition/partition.js';

/** A group in one partition. */
export interface GroupDescription {
  readonly partition: number;
  readonly lanes: readonly DescribeGroupResponse_Lane[];
  readonly holders: readonly { readonly consumer: string; readonly inFlight: number }[];
  /** When the oldest unsettled message was stored; undefined if there is none. */
  readonly oldestUnsettledMs: number | undefined;
}

/** Describes a group in one partition; rejects with StoreError. */
export async function describeGroupIn(partition: Partition, group: string): Promise<GroupDescription> {
  const pump = partition.group(group);
  if (pump === undefined) {
    throw new HermesError('PARTITION_MOVING', `partition ${partition.number} does not serve group ${group} yet`);
  }
  const { deadLetters } = await partition.groupState.counts(pump.settings.id);
  const lanes = pump.counts().map(({ lane, floor, unsettled, inFlight, retrying, skipped }) => ({
    partition: partition.number,
    lane,
    floor,
    nextOffset: partition.lanes[lane]?.log.nextOffset ?? 0,
    lag: unsettled,
    inFlight,
    retrying,
    deadLetters: deadLetters[lane] ?? 0,
    skipped,
  }));
  const times = await Promise.all(
    partition.lanes.map((lane) => storedAtMs(partition, lane.number, pump.lowestUnsettled(lane.number))),
  );
  const known = times.filter((time) => time !== undefined);
  return {
    partition: partition.number,
    lanes,
    holders: pump.holders(),
    oldestUnsettledMs: known.length === 0 ? undefined : Math.min(...known),
  };
}

async function storedAtMs(
  partition: Partition,
  laneNumber: number,
  offset: number | undefined,
): Promise<number | undefined> {
  const lane = partition.lanes[laneNumber];
  if (offset === undefined || lane === undefined) {
    return undefined;
  }
  // The offset may be a fence's: the next record counts.
  const read = (): Promise<RecordBlock> =>
    partition.read(lane, Math.max(offset, lane.log.firstOffset), { maxRecords: 1, maxBytes: 1 });
  const block = await read().catch((error: unknown) => {
    // A store that drops records by itself may just have done so.
    if (error instanceof StoreError && error.kind === 'outOfRange') {
      return read();
    }
    throw error;
  });
  return block.count === 0 ? undefined : block.appendedAtMs(0);
}
