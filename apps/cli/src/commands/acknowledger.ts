import { AcknowledgeRequest, type AcknowledgeResponse, type Delivery, Outcome, statusToError } from '@hermes/contracts';
import { failureOf } from '../failure.js';
import { type Session } from '../session.js';

/** The contract's limit of one call. */
const ENTRIES_MAX = 10_000;

interface Entry {
  readonly receipt: Buffer;
  readonly outcome: Outcome;
}

/** Settles deliveries in the background: one call at a time, what waits goes in the next. */
export class Acknowledger {
  readonly #session: Session;
  readonly #member: { readonly topic: string; readonly group: string; readonly consumer: string };
  /** Ctrl-C must not keep what was shown from being settled. */
  readonly #signal = new AbortController().signal;
  #waiting: Entry[] = [];
  #running: Promise<void> | undefined;

  constructor(session: Session, member: { readonly topic: string; readonly group: string; readonly consumer: string }) {
    this.#session = session;
    this.#member = member;
  }

  acknowledge(deliveries: readonly Delivery[]): void {
    this.#add(deliveries, Outcome.ACK);
  }

  /** Untried, for another consumer. */
  giveBack(deliveries: readonly Delivery[]): void {
    this.#add(deliveries, Outcome.RETURN);
  }

  /** Resolves once nothing waits; failures are noted, and their messages come again. */
  async settled(): Promise<void> {
    await this.#running;
  }

  #add(deliveries: readonly Delivery[], outcome: Outcome): void {
    this.#waiting.push(...deliveries.map(({ receipt }) => ({ receipt, outcome })));
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const entries = this.#waiting.splice(0, ENTRIES_MAX);
      const request = AcknowledgeRequest.fromPartial({ ...this.#member, entries });
      try {
        const { results } = await this.#session.unary<AcknowledgeResponse>(
          (metadata, options, done) => this.#session.messaging.acknowledge(request, metadata, options, done),
          this.#signal,
        );
        const failed = results.flatMap(({ error }) => (error === undefined ? [] : [error]));
        const [first] = failed;
        if (first !== undefined) {
          this.#note(failed.length, statusToError(first));
        }
      } catch (error) {
        this.#note(entries.length, error);
      }
    }
  }

  #note(count: number, error: unknown): void {
    const { message = '' } = failureOf(error, this.#session.options.server);
    this.#session.terminal.note(`hermes: ${count} messages are not acknowledged and may come again: ${message}`);
  }
}
