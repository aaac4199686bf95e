import { HermesError } from '@hermes/contracts';

/** Streams that have said nothing yet. */
const SILENT_MAX = 1_000;
/** Streams of one connection: a process needs one, and one more while it comes back. */
const CONNECTION_MAX = 100;

/** A lease stream that is open. */
export interface Occupant {
  /** Its connection. */
  readonly peer: string;
  close(error: HermesError): void;
}

/**
 * The places for lease streams. A stream has one from its first message on; of too many that say nothing the oldest
 * ends, so that they keep nobody out who has something to say.
 */
export class LeasePlaces {
  readonly #max: number;
  readonly #holders: string;
  readonly #silent = new Set<Occupant>();
  readonly #speaking = new Set<Occupant>();
  readonly #connections = new Map<string, number>();

  /** `holders`: whose streams they are, for error messages. */
  constructor(max: number, holders: string) {
    this.#max = max;
    this.#holders = holders;
  }

  /** A stream opens; one that throws is not in. QUOTA_EXCEEDED if its connection has too many already. */
  enter(occupant: Occupant): void {
    const { peer } = occupant;
    const open = this.#connections.get(peer) ?? 0;
    if (open >= CONNECTION_MAX) {
      throw this.#exceeded(`${CONNECTION_MAX} lease streams of ${this.#holders} are open on this connection already`);
    }
    this.#connections.set(peer, open + 1);
    this.#silent.add(occupant);
    const [oldest] = this.#silent;
    if (this.#silent.size > SILENT_MAX && oldest !== undefined) {
      this.#silent.delete(oldest);
      oldest.close(this.#exceeded(`${SILENT_MAX} newer lease streams of ${this.#holders} have said nothing either`));
    }
  }

  /** The stream has said something. QUOTA_EXCEEDED if that is its first message and all places are taken. */
  speak(occupant: Occupant): void {
    if (this.#silent.delete(occupant)) {
      if (this.#speaking.size >= this.#max) {
        throw this.#exceeded(`${this.#max} lease streams of ${this.#holders} are open already`);
      }
      this.#speaking.add(occupant);
    }
  }

  /** A stream that is in ends. */
  leave(occupant: Occupant): void {
    this.#silent.delete(occupant);
    this.#speaking.delete(occupant);
    const open = (this.#connections.get(occupant.peer) ?? 0) - 1;
    if (open > 0) {
      this.#connections.set(occupant.peer, open);
    } else {
      this.#connections.delete(occupant.peer);
    }
  }

  #exceeded(why: string): HermesError {
    return new HermesError('QUOTA_EXCEEDED', why);
  }
}
