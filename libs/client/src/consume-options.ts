import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { checkName, type HermesError, invalidField, LIMITS } from '@hermes/contracts';
import { type Codec } from './codec.js';
import { type ConsumerOptions } from './consumer.js';
import { type SettleFailureListener } from './delivery.js';
import { type BatchTerms } from './handler-loop.js';

const CONCURRENCY_DEFAULT = 16;
const BATCH_DEFAULT = 100;
const BATCH_WAIT_MS_MAX = 60_000;
/** Of a host's name: it and a UUID are together a consumer's name. */
const HOST_CHARACTERS_MAX = 80;

/** How a consumer works. */
export interface ConsumeOptions<T> {
  /** Name within the group; random if unset. The later of two equal names wins. */
  readonly name?: string;
  /** Handlers that run at once; 16 if unset. */
  readonly concurrency?: number;
  /** Deliveries held at once, 1 to 10,000; 1,000 if unset. */
  readonly maxInFlight?: number;
  /** JSON if unset. */
  readonly codec?: Codec<T>;
  /** Told of decisions that a server refused; the message is then delivered again, or is already settled. */
  readonly onSettleFailure?: SettleFailureListener;
}

/** How `runBatches` puts messages together. */
export interface BatchOptions {
  /** Messages of one call at most, 1 to 10,000; 100 if unset. */
  readonly size?: number;
  /** How long the first message of a call waits for others; 0 if unset: what is there goes at once. */
  readonly waitMs?: number;
}

/** The options with their defaults. Throws INVALID_FIELD. */
export function batchTerms({ size = BATCH_DEFAULT, waitMs = 0 }: BatchOptions): BatchTerms {
  refuse(within('size', size, LIMITS.inFlightMessages));
  refuse(within('waitMs', waitMs, { min: 0, max: BATCH_WAIT_MS_MAX }));
  return { size, waitMs };
}

/** The options with their defaults. Throws INVALID_FIELD. */
export function consumerOptions<T>(options: ConsumeOptions<T>): ConsumerOptions {
  const { name = randomName(), concurrency = CONCURRENCY_DEFAULT, onSettleFailure } = options;
  const { maxInFlight = LIMITS.inFlightMessages.default } = options;
  refuse(checkName(name, 'name'));
  refuse(within('concurrency', concurrency, { min: 1, max: LIMITS.inFlightMessages.max }));
  refuse(within('maxInFlight', maxInFlight, LIMITS.inFlightMessages));
  return { name, concurrency, maxInFlight, ...(onSettleFailure === undefined ? {} : { onSettleFailure }) };
}

function randomName(): string {
  const host = hostname().slice(0, HOST_CHARACTERS_MAX);
  return checkName(host, 'name') === undefined ? `${host}-${randomUUID()}` : randomUUID();
}

function within(field: string, value: number, { min, max }: { min: number; max: number }): HermesError | undefined {
  return Number.isInteger(value) && value >= min && value <= max ? undefined : invalidField(field, `${min} to ${max}`);
}

/** Throws what is wrong, if anything is. */
export function refuse(error: HermesError | undefined): void {
  if (error !== undefined) {
    throw error;
  }
}
