import { HermesError, invalidField, type Position, PositionEdge, timestampToMs } from '@hermes/contracts';
import { endOf, type Lane } from '../partition/lane.js';

/** Refuses what is no position for reading. Throws INVALID_FIELD. */
export function checkPosition(field: string, position: Position | undefined): void {
  if (position !== undefined) {
    const problem = position.kind === undefined ? 'edge, time or offset' : problemOf(position.kind);
    if (problem !== undefined) {
      throw invalidField(field, problem);
    }
  }
}

/** The same for a seek, which needs one and may be relative. */
export function checkSeekPosition(field: string, position: Position | undefined): void {
  if (position?.kind === undefined) {
    throw invalidField(field, 'edge, time, offset or shift');
  }
  const problem = position.kind.$case === 'shift' ? undefined : problemOf(position.kind);
  if (problem !== undefined) {
    throw invalidField(field, problem);
  }
}

function problemOf(kind: NonNullable<Position['kind']>): string | undefined {
  switch (kind.$case) {
    case 'edge':
      return kind.value === PositionEdge.EARLIEST || kind.value === PositionEdge.LATEST
        ? undefined
        : 'an edge that is EARLIEST or LATEST';
    case 'time':
      return timestampToMs(kind.value) === undefined ? 'a valid timestamp' : undefined;
    case 'offset':
      return kind.value.partition < 0 || kind.value.lane < 0 ? 'a partition and a lane, not negative' : undefined;
    case 'shift':
      return 'edge, time or offset; shift is for Seek';
  }
}

/** The offset that a position means in a lane; undefined if it is relative, or none. Rejects with StoreError. */
export async function offsetOf(position: Position | undefined, { log }: Lane): Promise<number | undefined> {
  switch (position?.kind?.$case) {
    case 'edge':
      return position.kind.value === PositionEdge.EARLIEST ? log.firstOffset : endOf(log);
    case 'time':
      return log.offsetAt(timestampToMs(position.kind.value) ?? 0);
    case 'offset':
      return position.kind.value.offset;
    case 'shift':
    case undefined:
      return undefined;
  }
}

/** Refuses an offset that the lane does not have. Throws OFFSET_OUT_OF_RANGE. */
export function checkRange(offset: number, { partition, lane }: LanePlace, { log }: Lane): void {
  const { firstOffset, nextOffset } = log;
  if (offset < firstOffset || offset > nextOffset) {
    throw new HermesError('OFFSET_OUT_OF_RANGE', `${partition}/${lane} has offsets ${firstOffset} to ${nextOffset}`, {
      details: { earliest: String(firstOffset), latest: String(nextOffset) },
    });
  }
}

export interface LanePlace {
  readonly partition: number;
  readonly lane: number;
}

/** `3/0` */
export function laneKey({ partition, lane }: LanePlace): string {
  return `${partition}/${lane}`;
}
