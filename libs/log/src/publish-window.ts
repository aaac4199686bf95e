import { createDeferred, type Deferred } from '@hermes/runtime';

import type { PublishIdentity } from './append-batch.js';
import type { IdentifiedPublish } from './producer-state.js';

/** Sequences of one producer that are remembered, counted from its highest that is stored. */
const WINDOW = 1_024;
const PRODUCERS_MAX = 10_000;
/** Publishes of all producers; beyond, the producers that were silent longest are forgotten. */
const PUBLISHES_MAX = 250_000;
const KEYS_MAX = 100_000;
const KEY_AGE_MS = 600_000;

/** Sequences from here on are the second half of an idempotency key's hash: no producer counts so far. */
export const KEY_SEQUENCE_MIN = 2 ** 52;

/** Where a publish has gone: its place in the log, or the schedule that it waits as. */
export type PublishPlace = { readonly lane: number; readonly offset: number } | { readonly scheduleId: number };

/** What a publish is, by what is known of its identity. */
export type PublishClaim =
  /** It is under way from now on: `stored`, `failed` or `unknown` has to follow. */
  | { readonly kind: 'new' }
  | { readonly kind: 'repeated'; readonly place: PublishPlace }
  /** The first one is under way; undefined: what becomes of it will not be known here. */
  | { readonly kind: 'underWay'; readonly outcome: Promise<Outcome> }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'outOfSequence'; readonly last: number };

type Outcome = PublishPlace | 'notStored' | undefined;

/** One publish: stored once it has a place. */
interface Publish {
  readonly identity: PublishIdentity;
  readonly checksum: number;
  appendedAtMs: number;
  place: PublishPlace | undefined;
  /** What becomes of it will not be known here. */
  isLost: boolean;
  /** For repeats that came while it was under way. */
  outcome: Deferred<Outcome> | undefined;
}

interface Producer {
  /** Stored: what fails leaves no trace, also not in what is remembered of others. */
  highest: number;
  underWay: number;
  readonly publishes: Map<number, Publish>;
}

/**
 * The publishes of one partition that may be repeated, as far back as is promised: of each producer the last 1,024
 * sequences, idempotency keys for 10 minutes. Pure; the same identity is never `new` again while it is remembered as
 * stored, or under way.
 */
export class PublishWindow {
  readonly #producers = new Map<number, Producer>();
  /** By the first half of the hash, oldest first. */
  readonly #keys = new Map<number, Publish>();
  #publishes = 0;

  /** Publishes that are remembered. */
  get size(): number {
    return this.#publishes + this.#keys.size;
  }

  /** Judges a publish; if it is `new` it counts as under way. */
  claim(identity: PublishIdentity, checksum: number, nowMs: number): PublishClaim {
    return identity.sequence >= KEY_SEQUENCE_MIN
      ? this.#claimKey(identity, checksum, nowMs)
      : this.#claimSequence(identity, checksum);
  }

  /** A publish that was under way is durable. */
  stored(identity: PublishIdentity, place: PublishPlace, appendedAtMs: number): void {
    const publish = this.#find(identity);
    if (publish === undefined) {
      return;
    }
    publish.place = place;
    publish.appendedAtMs = appendedAtMs;
    publish.outcome?.resolve(place);
    publish.outcome = undefined;
    const producer = this.#producerOf(identity);
    if (producer !== undefined) {
      producer.underWay -= 1;
      this.#raise(producer, identity.sequence);
    }
  }

  /** A publish that was under way is not stored: the next one of its identity is new. */
  failed(identity: PublishIdentity): void {
    const publish = this.#find(identity);
    if (publish?.place !== undefined) {
      return;
    }
    publish?.outcome?.resolve('notStored');
    const producer = this.#producerOf(identity);
    if (producer?.publishes.delete(identity.sequence) === true) {
      producer.underWay -= 1;
      this.#publishes -= 1;
    } else if (publish !== undefined) {
      this.#keys.delete(identity.producerId);
    }
  }

  /** What became of a publish will not be known before the partition is opened again. */
  unknown(identity: PublishIdentity): void {
    const publish = this.#find(identity);
    if (publish !== undefined) {
      publish.isLost = true;
      publish.outcome?.resolve(undefined);
    }
  }

  /** Takes in what an earlier owner has stored; of one producer, and of all keys, in the order in which it was. */
  restore({ identity, lane, offset, scheduleId, checksum, appendedAtMs }: IdentifiedPublish): void {
    const place: PublishPlace | undefined =
      scheduleId !== undefined ? { scheduleId } : offset === undefined ? undefined : { lane, offset };
    const publish: Publish = { identity, checksum, appendedAtMs, place, isLost: false, outcome: undefined };
    if (identity.sequence >= KEY_SEQUENCE_MIN) {
      this.#keys.delete(identity.producerId);
      this.#addKey(publish, appendedAtMs);
    } else {
      this.#restoreSequence(publish);
    }
  }

  /** All that is durable: by producer, least recently used first, then keys, oldest first. */
  snapshot(): IdentifiedPublish[] {
    const numbered = Array.from(this.#producers.values(), ({ publishes }) => storedOf(publishes.values()));
    return [...numbered.flat(), ...storedOf(this.#keys.values())];
  }

  #claimSequence(identity: PublishIdentity, checksum: number): PublishClaim {
    const { producerId, sequence } = identity;
    const producer = this.#producers.get(producerId);
    if (producer === undefined && sequence > 1) {
      return { kind: 'outOfSequence', last: 0 };
    }
    const last = producer?.highest ?? 0;
    if (sequence <= last - WINDOW) {
      return { kind: 'outOfSequence', last };
    }
    const known = producer?.publishes.get(sequence);
    if (known !== undefined) {
      return judge(known, checksum);
    }
    this.#addSequence(begun(identity, checksum)).underWay += 1;
    this.#forgetProducers();
    return { kind: 'new' };
  }

  #claimKey(identity: PublishIdentity, checksum: number, nowMs: number): PublishClaim {
    const known = this.#keys.get(identity.producerId);
    // A key whose hash has the same first half is another one, and takes its room.
    if (
      known?.identity.sequence === identity.sequence &&
      (known.place === undefined || known.appendedAtMs > nowMs - KEY_AGE_MS)
    ) {
      return judge(known, checksum);
    }
    known?.outcome?.resolve(undefined);
    this.#keys.delete(identity.producerId);
    this.#addKey(begun(identity, checksum), nowMs);
    return { kind: 'new' };
  }

  #restoreSequence(publish: Publish): void {
    const { producerId, sequence } = publish.identity;
    const highest = this.#producers.get(producerId)?.highest ?? 0;
    if (sequence > highest - WINDOW) {
      this.#raise(this.#addSequence(publish), sequence);
      this.#forgetProducers();
    }
  }

  #addSequence(publish: Publish): Producer {
    const { producerId, sequence } = publish.identity;
    const producer = this.#producers.get(producerId) ?? {
      highest: 0,
      underWay: 0,
      publishes: new Map<number, Publish>(),
    };
    // Behind all others: the map's order is that of use.
    this.#producers.delete(producerId);
    this.#producers.set(producerId, producer);
    if (!producer.publishes.has(sequence)) {
      this.#publishes += 1;
    }
    producer.publishes.set(sequence, publish);
    return producer;
  }

  #addKey(publish: Publish, nowMs: number): void {
    this.#keys.set(publish.identity.producerId, publish);
    for (const [hash, { place, appendedAtMs }] of this.#keys) {
      const isOver = appendedAtMs <= nowMs - KEY_AGE_MS || this.#keys.size > KEYS_MAX;
      if (place === undefined || !isOver) {
        break;
      }
      this.#keys.delete(hash);
    }
  }

  /** Sequences come in order, mostly: the first ones of the map are the lowest. What is under way stays. */
  #raise(producer: Producer, sequence: number): void {
    producer.highest = Math.max(producer.highest, sequence);
    for (const [low, { place }] of producer.publishes) {
      if (low > producer.highest - WINDOW || place === undefined) {
        break;
      }
      producer.publishes.delete(low);
      this.#publishes -= 1;
    }
  }

  #forgetProducers(): void {
    for (const [producerId, { publishes, underWay }] of this.#producers) {
      const isTooMuch = this.#producers.size > PRODUCERS_MAX || this.#publishes > PUBLISHES_MAX;
      if (!isTooMuch || underWay > 0) {
        break;
      }
      this.#producers.delete(producerId);
      this.#publishes -= publishes.size;
    }
  }

  #producerOf({ producerId, sequence }: PublishIdentity): Producer | undefined {
    return sequence < KEY_SEQUENCE_MIN ? this.#producers.get(producerId) : undefined;
  }

  #find(identity: PublishIdentity): Publish | undefined {
    const { producerId, sequence } = identity;
    const found = this.#producerOf(identity)?.publishes.get(sequence) ?? this.#keys.get(producerId);
    return found?.identity.sequence === sequence ? found : undefined;
  }
}

function begun(identity: PublishIdentity, checksum: number): Publish {
  return { identity, checksum, appendedAtMs: 0, place: undefined, isLost: false, outcome: undefined };
}

function judge(publish: Publish, checksum: number): PublishClaim {
  const { place, isLost } = publish;
  if (checksum !== publish.checksum) {
    return { kind: 'conflict' };
  }
  if (place !== undefined) {
    return { kind: 'repeated', place };
  }
  if (isLost) {
    return { kind: 'underWay', outcome: Promise.resolve(undefined) };
  }
  publish.outcome ??= createDeferred();
  return { kind: 'underWay', outcome: publish.outcome.promise };
}

function storedOf(publishes: Iterable<Publish>): IdentifiedPublish[] {
  const found: IdentifiedPublish[] = [];
  for (const { identity, checksum, appendedAtMs, place } of publishes) {
    if (place !== undefined) {
      const where = 'offset' in place ? { ...place, scheduleId: undefined } : { ...place, lane: 0, offset: undefined };
      found.push({ identity, checksum, appendedAtMs, ...where });
    }
  }
  return found;
}
