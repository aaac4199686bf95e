import { InvalidArgumentError } from 'commander';
import { integer } from './values.js';

/** A Position as protobuf's JSON, so that the contract is loaded only when a command runs. */
export type PositionFlag = Readonly<Record<string, unknown>>;

/** `earliest`, `latest`, an RFC 3339 time, `PARTITION/LANE/OFFSET` or `±N`. */
export function position(text: string): PositionFlag {
  if (text === 'earliest' || text === 'latest') {
    return { edge: `POSITION_EDGE_${text.toUpperCase()}` };
  }
  const offset = /^(\d+)\/(\d+)\/(\d+)$/.exec(text);
  if (offset !== null) {
    const [partition, lane, at] = offset.slice(1).map(integer);
    return { offset: { partition, lane, offset: at } };
  }
  if (/^[+-]\d+$/.test(text)) {
    return { shift: integer(text.replace('+', '')) };
  }
  if (/^\d{4}-\d{2}-\d{2}T/.test(text) && !Number.isNaN(Date.parse(text))) {
    return { time: new Date(text).toISOString() };
  }
  throw new InvalidArgumentError(
    'a position is earliest, latest, a time like 2026-01-31T12:00:00Z, P/L/OFFSET, or +N and -N for group seek',
  );
}
