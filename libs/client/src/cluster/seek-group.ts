import {
  invalidField,
  LIMITS,
  PartitionServiceService,
  type Position,
  type SeekRequest,
  type SeekResponse,
  type SeekResponse_Lane,
} from '@hermes/contracts';
import { readFromOwner, type RoutingDeps } from './call-owner.js';
import { type CallLimits } from './environment.js';
import { partitionByPartition } from './partition-by-partition.js';

/** Moves a group partition by partition, each at its owner; a failure names those that are moved. */
export async function seekGroup(
  deps: RoutingDeps,
  request: SeekRequest,
  count: number,
  limits: CallLimits,
): Promise<SeekResponse> {
  const moved = await partitionByPartition(seekPartitions(request, count), (partition) =>
    seekPartition(deps, request, partition, limits),
  );
  return { lanes: moved.flat() };
}

/** A move may be repeated after an unknown outcome, but for a relative one: that is made absolute first. */
async function seekPartition(
  deps: RoutingDeps,
  request: SeekRequest,
  partition: number,
  limits: CallLimits,
): Promise<SeekResponse_Lane[]> {
  const ask = async (to: Position | undefined, dryRun: boolean): Promise<SeekResponse_Lane[]> => {
    const asked: SeekRequest = { ...request, partitions: [partition], to, dryRun };
    const call = { method: PartitionServiceService.seek, request: asked };
    return (await readFromOwner(deps, { topic: request.topic, partition }, limits, call)).lanes;
  };
  if (request.dryRun || request.to?.kind?.$case !== 'shift') {
    return ask(request.to, request.dryRun);
  }
  const moves = await ask(request.to, true);
  for (const { lane, toOffset } of moves) {
    await ask({ kind: { $case: 'offset', value: { partition, lane, offset: toOffset } } }, false);
  }
  return moves;
}

function seekPartitions({ partitions, to }: SeekRequest, count: number): number[] {
  if (partitions.length > LIMITS.partitions.max || !partitions.every((one) => one >= 0 && one < count)) {
    throw invalidField('partitions', `0 to ${count - 1}`);
  }
  const chosen =
    partitions.length > 0
      ? [...new Set(partitions)].sort((a, b) => a - b)
      : Array.from({ length: count }, (_, partition) => partition);
  if (to?.kind?.$case !== 'offset') {
    return chosen;
  }
  const { partition } = to.kind.value;
  if (!chosen.includes(partition)) {
    throw invalidField('to.offset.partition', partitions.length > 0 ? 'one of partitions' : `0 to ${count - 1}`);
  }
  return [partition];
}
