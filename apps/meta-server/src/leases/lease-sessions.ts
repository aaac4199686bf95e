import { type HermesError } from '@hermes/contracts';
import { type CloseEffect, type SessionId } from '@hermes/coordination';

import { closeError } from './close-error.js';

/** What a session needs of its stream. */
export interface SessionOutlet<Frame> {
  send(frame: Frame): void;
  close(error: HermesError): void;
}

/** The open lease streams by session. What is meant for one that is gone is dropped: its end was told already. */
export class LeaseSessions<Frame> {
  readonly #outlets = new Map<SessionId, SessionOutlet<Frame>>();

  get size(): number {
    return this.#outlets.size;
  }

  open(session: SessionId, outlet: SessionOutlet<Frame>): void {
    this.#outlets.set(session, outlet);
  }

  send(session: SessionId, frame: Frame): void {
    this.#outlets.get(session)?.send(frame);
  }

  /** Ends a stream on the leases' behalf; its end is then no news to them. */
  close({ session, reason, member }: CloseEffect): void {
    const outlet = this.#outlets.get(session);
    this.#outlets.delete(session);
    outlet?.close(closeError(reason, member));
  }

  /** The stream has ended; true if the leases do not know it yet. */
  ended(session: SessionId): boolean {
    return this.#outlets.delete(session);
  }

  /** Ends all streams. */
  closeAll(error: HermesError): void {
    for (const outlet of this.#outlets.values()) {
      outlet.close(error);
    }
    this.#outlets.clear();
  }
}
