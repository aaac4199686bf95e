import {
  type AckEntry,
  AcknowledgeRequest,
  MessagingServiceService,
  PullRequest,
  statusToError,
} from '@hermes/contracts';

import { type Caller } from './caller.js';

/** A delivery as a thin client sees it. */
export interface Pulled {
  readonly text: string;
  readonly attempt: number;
  readonly receipt: Buffer;
}

/** Pulls and settles as one consumer of a group, by bare calls. */
export class Puller {
  readonly #caller: Caller;
  readonly #consumer: { readonly topic: string; readonly group: string; readonly consumer: string };

  constructor(caller: Caller, consumer: { topic: string; group: string; consumer: string }) {
    this.#caller = caller;
    this.#consumer = consumer;
  }

  async pull(request: Partial<PullRequest>): Promise<Pulled[]> {
    const { deliveries } = await this.#caller.call(
      MessagingServiceService.pull,
      PullRequest.fromPartial({ ...request, ...this.#consumer }),
    );
    return deliveries.map(({ message, attempt, receipt }) => {
      return { text: Buffer.from(message?.body ?? []).toString(), attempt, receipt };
    });
  }

  /** What is answered for each entry: `OK`, or a reason. */
  async settle(entries: Partial<AckEntry>[], deadlineMs = 20_000): Promise<string[]> {
    const { results } = await this.#caller.call(
      MessagingServiceService.acknowledge,
      AcknowledgeRequest.fromPartial({ ...this.#consumer, entries }),
      { deadline: Date.now() + deadlineMs },
    );
    return results.map(({ error }) => (error === undefined ? 'OK' : statusToError(error).code));
  }
}
