import { invalidField, type Position, PositionEdge, timestampToMs } from '@hermes/contracts';

import { knownEnum } from './field-check.js';

/** A group's start; LATEST if unset. INVALID_FIELD for what is no start. */
export function filledStart(field: string, given: Position | undefined): Position {
  if (given === undefined) {
    return { kind: { $case: 'edge', value: PositionEdge.LATEST } };
  }
  switch (given.kind?.$case) {
    case 'edge': {
      const value = knownEnum(`${field}.edge`, given.kind.value, {
        of: PositionEdge,
        default: PositionEdge.UNSPECIFIED,
      });
      if (value === PositionEdge.UNSPECIFIED) {
        throw invalidField(`${field}.edge`, 'EARLIEST or LATEST');
      }
      return given;
    }
    case 'time':
      if (timestampToMs(given.kind.value) === undefined) {
        throw invalidField(`${field}.time`, 'a valid timestamp');
      }
      return given;
    case 'offset':
    case 'shift':
    case undefined:
      throw invalidField(field, 'an edge or a time');
  }
}
