import { isUtf8 } from 'node:buffer';

import { type Duration, Message } from '@hermes/contracts';
import type { Message as KafkaMessage } from 'kafkajs';
import type { RawRecord } from 'kafkajs/src/cluster/index.js';

/** What a record of an attached topic is: a Kafka record that any Kafka client reads. */
export type AttachedRecord = Pick<KafkaMessage, 'value' | 'headers'> & { readonly key: Buffer | null };

/** What Hermes knows of a record beside its message. */
export interface RecordMarks {
  /** Of the schedule that has become this record: 'ORIGIN/ID'; empty: of none. */
  readonly schedule: string;
  /** From when on it is not delivered any more; 0 = never. */
  readonly expiresAtMs: number;
}

/** Names of the headers that are fields of a message, or marks. */
const HEADER = {
  refKey: 'hermes-ref-key',
  contentType: 'hermes-content-type',
  deliverAt: 'hermes-deliver-at',
  delay: 'hermes-delay',
  ttl: 'hermes-ttl',
  idempotencyKey: 'hermes-idempotency-key',
  expiresAt: 'hermes-expires-at',
  schedule: 'hermes-schedule',
} as const;

/** Attributes that tell what a message has no place for. */
const ATTRIBUTE = {
  tombstone: 'hermes-tombstone',
  keyEncoding: 'hermes-key-encoding',
  base64: 'hermes-base64-',
} as const;

/** What all headers of Hermes' own cost in a record, beside the texts that a message has, too; and the record itself. */
export const ATTACHED_OVERHEAD_BYTES = 384;

/** A message as a Kafka record: key, body and attributes are key, value and headers. */
export function toAttached(bytes: Uint8Array, { schedule, expiresAtMs }: RecordMarks): AttachedRecord {
  const message = Message.decode(bytes);
  const fields: Record<string, string> = {
    [HEADER.refKey]: message.refKey,
    [HEADER.contentType]: message.contentType,
    [HEADER.deliverAt]: message.schedule?.$case === 'deliverAt' ? secondsOf(message.schedule.value) : '',
    [HEADER.delay]: message.schedule?.$case === 'delay' ? secondsOf(message.schedule.value) : '',
    [HEADER.ttl]: message.ttl === undefined ? '' : secondsOf(message.ttl),
    [HEADER.idempotencyKey]: message.idempotencyKey,
    [HEADER.expiresAt]: expiresAtMs === 0 ? '' : String(expiresAtMs),
    [HEADER.schedule]: schedule,
  };
  const given = Object.entries(fields).filter(([, text]) => text !== '');
  const headers = [...message.attributes, ...given].map(([name, text]) => [name, Buffer.from(text)] as const);
  return {
    key: message.key === '' ? null : Buffer.from(message.key),
    value: message.body,
    headers: Object.fromEntries(headers),
  };
}

/** A Kafka record as a message, whoever has written it: nothing of it is left out, whatever the contract's limits. */
export function fromAttached({ key, value, headers = {} }: RawRecord): RecordMarks & { readonly record: Uint8Array } {
  const draft: Draft = { message: Message.create({ body: value ?? EMPTY }), schedule: '', expiresAtMs: 0 };
  const { message } = draft;
  for (const [name, given] of Object.entries(headers)) {
    takeHeader(draft, name, valuesOf(given));
  }
  if (value === null) {
    message.attributes.set(ATTRIBUTE.tombstone, 'true');
  }
  if (key !== null && isUtf8(key)) {
    message.key = key.toString();
  } else if (key !== null) {
    message.key = key.toString('base64');
    message.attributes.set(ATTRIBUTE.keyEncoding, 'base64');
  }
  return { record: Message.encode(message).finish(), schedule: draft.schedule, expiresAtMs: draft.expiresAtMs };
}

interface Draft {
  readonly message: Message;
  schedule: string;
  expiresAtMs: number;
}

/** Reads what a header of Hermes' own says; false if it does not say it in Hermes' way: then it is an attribute. */
type FieldReader = (draft: Draft, text: string) => boolean;

/** A field that any text is right for. */
const textField =
  (name: 'refKey' | 'contentType' | 'idempotencyKey'): FieldReader =>
  ({ message }, text) => {
    message[name] = text;
    return true;
  };

const secondsField =
  (set: (message: Message, value: Duration) => void): FieldReader =>
  ({ message }, text) => {
    const value = readSeconds(text);
    if (value !== undefined) {
      set(message, value);
    }
    return value !== undefined;
  };

const FIELDS: ReadonlyMap<string, FieldReader> = new Map<string, FieldReader>([
  [HEADER.refKey, textField('refKey')],
  [HEADER.contentType, textField('contentType')],
  [HEADER.idempotencyKey, textField('idempotencyKey')],
  [HEADER.deliverAt, secondsField((message, value) => (message.schedule = { $case: 'deliverAt', value }))],
  [HEADER.delay, secondsField((message, value) => (message.schedule = { $case: 'delay', value }))],
  [HEADER.ttl, secondsField((message, value) => (message.ttl = value))],
  [
    HEADER.expiresAt,
    (draft, text) => {
      draft.expiresAtMs = /^\d{1,15}$/.test(text) ? Number(text) : 0;
      return draft.expiresAtMs !== 0;
    },
  ],
  [
    HEADER.schedule,
    (draft, text) => {
      draft.schedule = text;
      return true;
    },
  ],
]);

/** Of a name that stands several times the last counts, as in Kafka's clients; those before have a number. */
function takeHeader(draft: Draft, name: string, values: readonly (Buffer | null)[]): void {
  values.forEach((value, index) => {
    const isLast = index === values.length - 1;
    const bytes = value ?? EMPTY;
    const label = isLast ? name : `${name}#${index + 1}`;
    if (!isUtf8(bytes)) {
      draft.message.attributes.set(`${ATTRIBUTE.base64}${label}`, bytes.toString('base64'));
    } else if (!isLast || FIELDS.get(name)?.(draft, bytes.toString()) !== true) {
      draft.message.attributes.set(label, bytes.toString());
    }
  });
}

/** kafkajs gathers headers in an object: what a name like `constructor` finds there is none of the record's. */
function valuesOf(given: unknown): (Buffer | null)[] {
  const values: unknown[] = Array.isArray(given) ? given : [given];
  return values.filter((value): value is Buffer | null => value === null || value instanceof Buffer);
}

/** Whole seconds, then a point and nanoseconds if there are any: `90`, `1.5`. */
function secondsOf({ seconds, nanos }: Duration): string {
  const fraction = String(nanos).padStart(9, '0').replace(/0+$/, '');
  return nanos === 0 ? String(seconds) : `${seconds}.${fraction}`;
}

const SECONDS = /^(-?\d{1,12})(?:\.(\d{1,9}))?$/;

function readSeconds(text: string): Duration | undefined {
  const [, seconds, fraction = ''] = SECONDS.exec(text) ?? [];
  return seconds === undefined ? undefined : { seconds: Number(seconds), nanos: Number(fraction.padEnd(9, '0')) };
}

const EMPTY = Buffer.alloc(0);
