import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { HermesError } from '@hermes/contracts';
import { KEY_SEQUENCE_MIN, type PublishIdentity, type PublishPlace, type WindowBounds } from '@hermes/log';
import { type Partition } from '../partition/partition.js';
import { type KnownPublishes } from './known-publishes.js';

/** A publish whose identity is known already. */
export interface Repeat {
  readonly index: number;
  readonly partition: Partition;
  /** What became of the first one; undefined: that is not known. */
  readonly outcome: Promise<PublishPlace | 'notStored' | undefined>;
}

/** What became of a publish that was new. */
export type PublishEnd = { readonly place: PublishPlace; readonly atMs: number } | 'notStored' | 'unknown';

/** What one request claims of its partitions' windows: every publish that was new there gets an end, whatever happens. */
export class PublishClaims {
  readonly repeats: Repeat[] = [];
  /** Partitions whose windows have to be loaded before the request can be planned. */
  readonly unloaded = new Set<KnownPublishes>();
  readonly #begun = new Map<KnownPublishes, WindowBounds>();
  readonly #open = new Map<KnownPublishes, Set<PublishIdentity>>();
  #isDoubtful = false;

  /** `new`: it has to be stored. Else it is a repeat, or refused. */
  claim(
    partition: Partition,
    publish: { readonly identity: PublishIdentity; readonly bytes: Uint8Array; readonly index: number },
  ): 'new' | 'repeated' | HermesError {
    const { known } = partition;
    const { window } = known;
    if (window === undefined) {
      this.unloaded.add(known);
      return 'repeated';
    }
    const { identity, bytes, index } = publish;
    const claim = window.claim(identity, crc32(bytes), partition.timeMs());
    switch (claim.kind) {
      case 'new':
        this.#opened(known).add(identity);
        return 'new';
      case 'repeated':
        this.repeats.push({ index, partition, outcome: Promise.resolve(claim.place) });
        return 'repeated';
      case 'underWay':
        this.repeats.push({ index, partition, outcome: claim.outcome });
        return 'repeated';
      case 'conflict':
        return new HermesError('IDEMPOTENCY_CONFLICT', `messages[${index}]: another message has the same identity`);
      case 'outOfSequence':
        return outOfSequence(index, claim.last);
    }
  }

  end({ known }: Partition, identity: PublishIdentity, end: PublishEnd): void {
    this.#open.get(known)?.delete(identity);
    if (end === 'notStored') {
      known.window?.failed(identity);
    } else if (end === 'unknown') {
      this.#isDoubtful = true;
      known.window?.unknown(identity);
    } else {
      known.window?.stored(identity, end.place, end.atMs);
    }
  }

  /** The request is over: what has no end by now was not tried. */
  close(): void {
    for (const [known, identities] of this.#open) {
      identities.forEach((identity) => known.window?.failed(identity));
    }
    for (const [known, bounds] of this.#begun) {
      known.end(bounds, this.#isDoubtful);
    }
    this.#open.clear();
    this.#begun.clear();
  }

  #opened(known: KnownPublishes): Set<PublishIdentity> {
    let open = this.#open.get(known);
    if (open === undefined) {
      open = new Set();
      this.#open.set(known, open);
      this.#begun.set(known, known.begin());
    }
    return open;
  }
}

/** The identity of an idempotency key: 53 and 52 bits of its SHA-256, in the numbers that no producer uses. */
export function identityOfKey(key: Uint8Array): PublishIdentity {
  const hash = createHash('sha256').update(key).digest();
  // 0 stands for none.
  const producerId = Number(hash.readBigUInt64LE(0) & PRODUCER_BITS) || 1;
  return { producerId, sequence: KEY_SEQUENCE_MIN + Number(hash.readBigUInt64LE(8) & SEQUENCE_BITS) };
}

const PRODUCER_BITS = 2n ** 53n - 1n;
const SEQUENCE_BITS = 2n ** 52n - 1n;

function outOfSequence(index: number, last: number): HermesError {
  return new HermesError('OUT_OF_SEQUENCE', `messages[${index}]: too far from the producer’s last sequence ${last}`, {
    details: { last: String(last) },
  });
}
