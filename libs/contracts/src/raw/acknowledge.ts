import { Duration, Status } from '../google.js';
import { HermesError } from '../hermes-error.js';
import { LIMITS } from '../limits.js';
import { type AckResult, type AcknowledgeResponse, Outcome } from '../messaging.js';
import { statusToError, toStatus } from '../status.js';
import { WireReader } from './wire-reader.js';
import { fieldBytes, int32Bytes, WireWriter } from './wire-writer.js';

/** An AckEntry whose receipt may be a view. Durations are as the caller sent them, possibly invalid. */
export interface RawAckEntry {
  receipt: Uint8Array;
  /** Possibly a number that this version does not know. */
  outcome: Outcome;
  delay?: Duration | undefined;
  reason: string;
  deadline?: Duration | undefined;
}

/** AcknowledgeRequest of such entries; every generated AcknowledgeRequest is one. */
export interface RawAcknowledgeRequest {
  topic: string;
  group: string;
  consumer: string;
  entries: RawAckEntry[];
}

const TOPIC = 10;
const GROUP = 18;
const CONSUMER = 26;
const ENTRY = 34;

const RECEIPT = 10;
const OUTCOME = 16;
const DELAY = 26;
const REASON = 34;
const DEADLINE = 42;

const RESULT = 10;
const ERROR = 10;

const NO_BYTES = new Uint8Array(0);
/** The result of nearly every entry, shared. */
const DONE: AckResult = Object.freeze({ error: undefined });

/** Reads a request; receipts are views of `bytes`. Throws WireError if it is damaged. */
export function decodeAcknowledgeRequest(bytes: Uint8Array): RawAcknowledgeRequest {
  const reader = new WireReader(bytes);
  const request: RawAcknowledgeRequest = { topic: '', group: '', consumer: '', entries: [] };
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case TOPIC:
        request.topic = reader.string();
        break;
      case GROUP:
        request.group = reader.string();
        break;
      case CONSUMER:
        request.consumer = reader.string();
        break;
      case ENTRY:
        request.entries.push(reader.message(decodeEntry));
        break;
      default:
        reader.skip(tag);
    }
  }
  return request;
}

/** The bytes of a request. */
export function encodeAcknowledgeRequest(request: RawAcknowledgeRequest): Buffer {
  const heads = [
    [TOPIC, request.topic, Buffer.byteLength(request.topic)],
    [GROUP, request.group, Buffer.byteLength(request.group)],
    [CONSUMER, request.consumer, Buffer.byteLength(request.consumer)],
  ] as const;
  const entries = request.entries.map(measure);
  let size = 0;
  for (const [, , length] of heads) {
    size += length === 0 ? 0 : fieldBytes(length);
  }
  for (const entry of entries) {
    size += fieldBytes(entry.bytes);
  }
  const writer = new WireWriter(size);
  for (const [tag, text, length] of heads) {
    writeText(writer, tag, text, length);
  }
  for (const entry of entries) {
    writeEntry(writer, entry);
  }
  return writer.finish();
}

/**
 * The bytes of a response. Thousands of explained errors would pass the limit of a response: then each keeps its code
 * and reason and nothing else, which is within it for as many entries as a request may have.
 */
export function encodeAcknowledgeResponse({ results }: AcknowledgeResponse): Buffer {
  const explained = results.map(({ error }) => error && Status.encode(error).finish());
  const isWithin = resultsBytes(explained) <= LIMITS.frameBytes;
  const errors = isWithin ? explained : results.map(({ error }) => error && Status.encode(bare(error)).finish());
  const size = resultsBytes(errors);
  const writer = new WireWriter(size);
  for (const error of errors) {
    writer.tag(RESULT).varint(error === undefined ? 0 : fieldBytes(error.length));
    if (error !== undefined) {
      writer.field(ERROR, error);
    }
  }
  return writer.finish();
}

function resultsBytes(errors: readonly (Uint8Array | undefined)[]): number {
  let size = 0;
  for (const error of errors) {
    size += fieldBytes(error === undefined ? 0 : fieldBytes(error.length));
  }
  return size;
}

/** Code and reason alone. */
function bare(error: Status): Status {
  const { code: reason, status } = statusToError(error);
  const { code, details } = toStatus(new HermesError(reason, '', { status }));
  return { code, message: '', details: details.slice(0, 1) };
}

/** Reads a response; results without an error are one shared, frozen object. */
export function decodeAcknowledgeResponse(bytes: Uint8Array): AcknowledgeResponse {
  const reader = new WireReader(bytes);
  const results: AckResult[] = [];
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === RESULT) {
      results.push(reader.message(decodeResult));
    } else {
      reader.skip(tag);
    }
  }
  return { results };
}

interface MeasuredEntry {
  readonly entry: RawAckEntry;
  readonly delay: Uint8Array | undefined;
  readonly deadline: Uint8Array | undefined;
  readonly reasonBytes: number;
  readonly bytes: number;
}

function measure(entry: RawAckEntry): MeasuredEntry {
  const delay = entry.delay === undefined ? undefined : Duration.encode(entry.delay).finish();
  const deadline = entry.deadline === undefined ? undefined : Duration.encode(entry.deadline).finish();
  const reasonBytes = Buffer.byteLength(entry.reason);
  const bytes =
    (entry.receipt.length === 0 ? 0 : fieldBytes(entry.receipt.length)) +
    (entry.outcome === Outcome.UNSPECIFIED ? 0 : 1 + int32Bytes(entry.outcome)) +
    (delay === undefined ? 0 : fieldBytes(delay.length)) +
    (reasonBytes === 0 ? 0 : fieldBytes(reasonBytes)) +
    (deadline === undefined ? 0 : fieldBytes(deadline.length));
  return { entry, delay, deadline, reasonBytes, bytes };
}

function writeEntry(writer: WireWriter, { entry, delay, deadline, reasonBytes, bytes }: MeasuredEntry): void {
  writer.tag(ENTRY).varint(bytes);
  if (entry.receipt.length > 0) {
    writer.field(RECEIPT, entry.receipt);
  }
  if (entry.outcome !== Outcome.UNSPECIFIED) {
    writer.tag(OUTCOME).int32(entry.outcome);
  }
  if (delay !== undefined) {
    writer.field(DELAY, delay);
  }
  writeText(writer, REASON, entry.reason, reasonBytes);
  if (deadline !== undefined) {
    writer.field(DEADLINE, deadline);
  }
}

function writeText(writer: WireWriter, tag: number, text: string, length: number): void {
  if (length > 0) {
    writer.text(tag, text, length);
  }
}

function decodeEntry(reader: WireReader): RawAckEntry {
  const entry: RawAckEntry = { receipt: NO_BYTES, outcome: Outcome.UNSPECIFIED, reason: '' };
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case RECEIPT:
        entry.receipt = reader.view();
        break;
      case OUTCOME:
        entry.outcome = outcomeOf(reader.int32());
        break;
      case DELAY:
        entry.delay = Duration.decode(reader.view());
        break;
      case REASON:
        entry.reason = reader.string();
        break;
      case DEADLINE:
        entry.deadline = Duration.decode(reader.view());
        break;
      default:
        reader.skip(tag);
    }
  }
  return entry;
}

/** Unknown numbers are let through, as generated code does: the server answers them per entry. */
function outcomeOf(value: number): Outcome {
  // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- see above
  return value;
}

function decodeResult(reader: WireReader): AckResult {
  if (reader.pos === reader.end) {
    return DONE;
  }
  let error: Status | undefined;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === ERROR) {
      error = Status.decode(reader.view());
    } else {
      reader.skip(tag);
    }
  }
  return { error };
}
