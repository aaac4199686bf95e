import { type ConsumerStream } from './consumer.js';
import { type SessionId } from './lease.js';

/** The streams whose leases have not ended. All leases are equally long, so the one heard least recently ends first. */
export class ConsumerStreams {
  readonly #leaseMs: number;
  /** By session, the least recently heard first. */
  readonly #streams = new Map<SessionId, ConsumerStream>();

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  /** When the next lease ends; Infinity: there are none. */
  get nextExpiryMs(): number {
    for (const { untilMs } of this.#streams.values()) {
      return untilMs;
    }
    return Number.POSITIVE_INFINITY;
  }

  find(session: SessionId): ConsumerStream | undefined {
    return this.#streams.get(session);
  }

  /** The stream of a session; its lease begins if it is new. */
  begin(session: SessionId, nowMs: number): ConsumerStream {
    const known = this.#streams.get(session);
    if (known !== undefined) {
      return known;
    }
    const stream = { session, open: true, untilMs: nowMs + this.#leaseMs, members: new Map() };
    this.#streams.set(session, stream);
    return stream;
  }

  prolong(stream: ConsumerStream, nowMs: number): void {
    stream.untilMs = nowMs + this.#leaseMs;
    this.#streams.delete(stream.session);
    this.#streams.set(stream.session, stream);
  }

  /** Those whose leases have ended. */
  expired(nowMs: number): ConsumerStream[] {
    const expired: ConsumerStream[] = [];
    for (const stream of this.#streams.values()) {
      if (stream.untilMs > nowMs) {
        break;
      }
      expired.push(stream);
    }
    return expired;
  }

  forget(stream: ConsumerStream): void {
    this.#streams.delete(stream.session);
  }

  /** Forgets a stream that has ended and holds nothing. */
  forgetIfIdle(stream: ConsumerStream): void {
    if (!stream.open && stream.members.size === 0) {
      this.forget(stream);
    }
  }
}
