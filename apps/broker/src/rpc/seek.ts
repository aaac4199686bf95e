import {
  invalidField,
  type Position,
  type SeekRequest,
  type SeekResponse,
  type SeekResponse_Lane,
} from '@hermes/contracts';
import { type LaneCursor } from '@hermes/delivery';
import { type GroupInPartition } from '../partition/group-in-partition.js';
import { type Lane } from '../partition/lane.js';
import { moveGroup } from '../partition/move-group.js';
import { checkRange, checkSeekPosition, offsetOf } from './position.js';

/** Refuses what no topic of this shape can do. Throws INVALID_FIELD. */
export function checkSeek({ to, partitions }: SeekRequest, topic: { readonly lanes: number }): void {
  checkSeekPosition('to', to);
  if (to?.kind?.$case === 'offset') {
    const { partition, lane } = to.kind.value;
    if (partitions.length > 0 && !partitions.includes(partition)) {
      throw invalidField('to.offset.partition', 'one of partitions');
    }
    if (lane >= topic.lanes) {
      throw invalidField('to.offset.lane', `0 to ${topic.lanes - 1}`);
    }
  }
}

/** Moves a group partition by partition; if it throws, those before are moved. Rejects with StoreError. */
export async function seek({ to, dryRun }: SeekRequest, groups: readonly GroupInPartition[]): Promise<SeekResponse> {
  const lanes: SeekResponse_Lane[] = [];
  for (const group of groups) {
    const moves = await movesIn(group, to);
    if (!dryRun && moves.length > 0) {
      await moveGroup(group, moves.map(toCursor));
    }
    lanes.push(...moves);
  }
  return { lanes };
}

async function movesIn({ partition, pump }: GroupInPartition, to: Position | undefined): Promise<SeekResponse_Lane[]> {
  const moves: SeekResponse_Lane[] = [];
  for (const { lane: number, floor } of pump.counts()) {
    const lane = partition.lanes[number];
    const place = { partition: partition.number, lane: number };
    if (lane !== undefined && concerns(to, place)) {
      const toOffset = await targetOf(to, floor, lane);
      checkRange(toOffset, place, lane);
      moves.push({ ...place, fromOffset: floor, toOffset });
    }
  }
  return moves;
}

function concerns(to: Position | undefined, { partition, lane }: { partition: number; lane: number }): boolean {
  return to?.kind?.$case !== 'offset' || (to.kind.value.partition === partition && to.kind.value.lane === lane);
}

async function targetOf(to: Position | undefined, floor: number, lane: Lane): Promise<number> {
  if (to?.kind?.$case === 'shift') {
    const { firstOffset, nextOffset } = lane.log;
    return Math.min(nextOffset, Math.max(firstOffset, floor + to.kind.value));
  }
  return (await offsetOf(to, lane)) ?? floor;
}

function toCursor({ lane, toOffset }: SeekResponse_Lane): LaneCursor {
  return { lane, floor: toOffset, settled: [] };
}
