import { InvalidArgumentError } from 'commander';

const DURATION_UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTE_UNITS = { '': 1, B: 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824, TiB: 1_099_511_627_776 } as const;

/** `500ms`, `30s`, `5m`, `2h`, `7d` → milliseconds. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) {
    throw new InvalidArgumentError('a duration is a number with ms, s, m, h or d: 30s');
  }
  return Number(match[1]) * DURATION_UNITS_MS[match[2] as keyof typeof DURATION_UNITS_MS];
}

/** `65536`, `64KiB`, `1MiB` → bytes. */
export function byteCount(text: string): number {
  const match = /^(\d+)(|B|KiB|MiB|GiB|TiB)$/.exec(text);
  const bytes = match === null ? NaN : Number(match[1]) * BYTE_UNITS[match[2] as keyof typeof BYTE_UNITS];
  if (!Number.isSafeInteger(bytes)) {
    throw new InvalidArgumentError('a size is a whole number, perhaps with KiB, MiB or GiB: 64KiB');
  }
  return bytes;
}

/** A whole number; its limits are the server's business. */
export function integer(text: string): number {
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new InvalidArgumentError('must be a whole number');
  }
  return Number(text);
}

/** A number with fractions. */
export function decimal(text: string): number {
  if (!/^-?\d+(\.\d+)?$/.test(text)) {
    throw new InvalidArgumentError('must be a number');
  }
  return Number(text);
}

/** Collects whole numbers of a repeated flag. */
export function integers(text: string, before: readonly number[] = []): number[] {
  return [...before, integer(text)];
}

/** Collects `name=value` of a repeated flag. */
export function pairs(text: string, before: ReadonlyMap<string, string> = new Map()): Map<string, string> {
  const split = text.indexOf('=');
  if (split < 1) {
    throw new InvalidArgumentError('must be name=value');
  }
  return new Map([...before, [text.slice(0, split), text.slice(split + 1)]]);
}

/** Collects texts of a repeated flag. */
export function strings(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** `2026-01-31T12:00:00Z` */
export function time(text: string): Date {
  if (!/^\d{4}-\d{2}-\d{2}T/.test(text) || Number.isNaN(Date.parse(text))) {
    throw new InvalidArgumentError('a time looks like 2026-01-31T12:00:00Z');
  }
  return new Date(text);
}

/** Names separated by commas. */
export function words(text: string): string[] {
  const given = text.split(',').map((word) => word.trim());
  if (given.includes('')) {
    throw new InvalidArgumentError('must be names separated by commas');
  }
  return given;
}

/** `host:port`, with a hint at what is missing. */
export function serverAddress(text: string): string {
  if (!/^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/.test(text)) {
    throw new InvalidArgumentError('a server is host:port, such as 127.0.0.1:4380');
  }
  return text;
}
