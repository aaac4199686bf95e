import { type LeaseAssignment } from '@hermes/coordination';

/** Gathers what becomes ready in one turn of the event loop into one message. */
export class ReadyReports {
  readonly #send: (assignments: readonly LeaseAssignment[]) => void;
  #readied: LeaseAssignment[] = [];

  constructor(send: (assignments: readonly LeaseAssignment[]) => void) {
    this.#send = send;
  }

  add(assignment: LeaseAssignment): void {
    this.#readied.push(assignment);
    if (this.#readied.length === 1) {
      setImmediate(() => {
        const readied = this.#readied;
        this.#readied = [];
        this.#send(readied);
      });
    }
  }
}
