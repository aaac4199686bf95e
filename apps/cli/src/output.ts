import { type Timestamp, timestampToMs } from '@hermes/contracts';
import { type Session } from './session.js';

type Cell = string | number | boolean | undefined;

/** Columns aligned by spaces, numbers to the right; nothing else, so that `awk` reads it too. */
export function table(header: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const texts = [header, ...rows.map((row) => row.map(cellText))];
  const right = header.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'));
  const widths = header.map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)));
  return texts.map((row) =>
    row
      .map((text, column) => (right[column] ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** Names and values, one pair a line; absent values are left out. */
export function facts(pairs: readonly (readonly [string, Cell])[]): string[] {
  const given = pairs.filter(([, value]) => value !== undefined && value !== '');
  const width = Math.max(...given.map(([name]) => name.length));
  return given.map(([name, value]) => `${name.padEnd(width)}  ${cellText(value)}`);
}

/** A time as people and `date -d` read it; absent if it is. */
export function timeText(time: Timestamp | undefined): string | undefined {
  return time && new Date(timestampToMs(time) ?? 0).toISOString();
}

/** A generated message type, as far as showing needs it. */
export interface JsonCodec<Message> {
  toJSON(message: Message): unknown;
}

/** The codec of responses that have no fields. */
export const EMPTY: JsonCodec<unknown> = { toJSON: () => ({}) };

/** Shows one response: as protobuf's JSON on one line, or as lines for people. */
export async function show<Response>(
  session: Session,
  response: Response,
  codec: JsonCodec<Response>,
  lines: (response: Response) => readonly string[],
): Promise<void> {
  if (session.options.output === 'json') {
    await session.terminal.print(protobufJson(codec.toJSON(response)));
    return;
  }
  for (const line of lines(response)) {
    await session.terminal.print(line);
  }
}

/** One line of protobuf's JSON. The generated code leaves durations as seconds and nanos; JSON has `"1.5s"`. */
export function protobufJson(value: unknown): string {
  return JSON.stringify(value, (_key, one: unknown) => (isDuration(one) ? durationText(one) : one));
}

interface JsonDuration {
  readonly seconds?: number;
  readonly nanos?: number;
}

function isDuration(value: unknown): value is JsonDuration {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const keys = Object.keys(value);
  return keys.length > 0 && keys.every((key) => key === 'seconds' || key === 'nanos');
}

function durationText({ seconds = 0, nanos = 0 }: JsonDuration): string {
  const fraction = Math.abs(nanos).toString().padStart(9, '0').replace(/0+$/, '');
  const sign = seconds === 0 && nanos < 0 ? '-' : '';
  return `${sign}${seconds}${fraction === '' ? '' : `.${fraction}`}s`;
}

/** `90000` → `1m 30s`: for people, the biggest two units. */
export function durationWords(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
    ['ms', 1],
  ] as const;
  const words: string[] = [];
  let rest = Math.round(ms);
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) {
      words.push(`${count}${unit}`);
    }
  }
  return words.slice(0, 2).join(' ') || '0s';
}

function cellText(value: Cell): string {
  return value === undefined || value === '' ? '-' : String(value);
}
