import { type Position, PositionEdge, timestampFromMs } from '@hermes/contracts';

/** Where to move a group: an end of the log, the first message from a time on, an offset of one lane, or so many messages. */
export type SeekTarget =
  | 'earliest'
  | 'latest'
  | Date
  | { readonly partition: number; readonly lane: number; readonly offset: number }
  | { readonly shift: number };

/** The same as the contract has it. */
export function positionOf(target: SeekTarget): Position {
  if (target === 'earliest' || target === 'latest') {
    const value = target === 'earliest' ? PositionEdge.EARLIEST : PositionEdge.LATEST;
    return { kind: { $case: 'edge', value } };
  }
  if (target instanceof Date) {
    return { kind: { $case: 'time', value: timestampFromMs(target.getTime()) } };
  }
  return 'shift' in target
    ? { kind: { $case: 'shift', value: target.shift } }
    : { kind: { $case: 'offset', value: target } };
}
