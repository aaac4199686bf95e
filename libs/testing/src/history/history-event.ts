/** What was tried. */
export type HistoryOperation =
  'publish' | 'deliver' | 'ack' | 'nack' | 'subscribe' | 'grant' | 'crash' | 'fault-start' | 'fault-stop';

/**
 * One event of a run, as one JSON line, written by the harness and never by the system under test. `info` means that
 * the outcome is unknown (a timeout, a lost connection): a `fail` must be definite.
 */
export interface HistoryEvent {
  /** Harness' monotonic time, ns. */
  readonly t: number;
  readonly proc: string;
  readonly type: 'invoke' | 'ok' | 'fail' | 'info';
  readonly f: HistoryOperation;
  readonly topic?: string;
  readonly part?: number;
  /** Lane; 0 if unset. */
  readonly lane?: number;
  readonly group?: string;
  readonly consumer?: string;
  /** The message's unique value, "proc-counter". */
  readonly val?: string;
  /** Hash of key, attributes and body. */
  readonly hash?: string;
  readonly off?: number;
  /** Delivery id: what one ack settles. */
  readonly did?: string;
  readonly attempt?: number;
  readonly redelivered?: boolean;
  /** Send time that the server stamped on a delivery, or the time at which it answered an ack, ns. */
  readonly stamp?: number;
  /** When a delivery's ack deadline ends, ns, if the harness knows: it is in flight until then or until it is settled. */
  readonly until?: number;
  /** Publisher's number and sequence: order of publishes to one partition. */
  readonly pid?: number;
  readonly seq?: number;
  readonly code?: string;
}

/** One record of the log, read back after the run. */
export interface LoggedRecord {
  readonly topic: string;
  readonly part: number;
  readonly lane: number;
  readonly off: number;
  /** Unset: a fence, void or seal record, which explains a gap. */
  readonly val?: string;
  readonly hash?: string;
  readonly pid?: number;
  readonly seq?: number;
}

/** A whole run: its events and what was found in the log afterwards. */
export interface History {
  readonly events: readonly HistoryEvent[];
  readonly log: readonly LoggedRecord[];
  /** Groups that existed before the first publish, and were drained completely after the last. */
  readonly drainedGroups: readonly { readonly topic: string; readonly group: string }[];
}

/** Reads events from JSON lines; empty lines are skipped. */
export function parseHistory(lines: string): HistoryEvent[] {
  return lines
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as HistoryEvent);
}
