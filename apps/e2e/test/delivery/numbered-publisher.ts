import { MessagingServiceService, PublishRequest } from '@hermes/contracts';

import { type Caller } from '../harness/caller.js';

const BATCH = 10;
/** Every so many batches the ones before are sent again, as if their answers had been lost. */
const LOST = 5;
/** After it the same request is sent again, whatever became of it. */
const DEADLINE_MS = 2_000;

/** A thin client that numbers its messages, and sends a request again until every message has a place. */
export class NumberedPublisher {
  /** Places by text. */
  readonly places = new Map<string, string>();
  duplicates = 0;
  resent = 0;
  readonly #caller: Caller;
  readonly #target: { readonly topic: string; readonly partition: number; readonly producerId: number };

  constructor(caller: Caller, target: { topic: string; partition: number; producerId: number }) {
    this.#caller = caller;
    this.#target = target;
  }

  /** Publishes `count` batches, one after the other. */
  async run(count: number): Promise<void> {
    for (let batch = 0; batch < count; batch += 1) {
      while (!(await this.#send(batch))) {
        this.resent += 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      for (let again = batch - LOST; again >= 0 && batch % LOST === 0 && again < batch; again += 1) {
        await this.#send(again);
      }
    }
  }

  /** False: some message may have no place. */
  async #send(batch: number): Promise<boolean> {
    const texts = Array.from({ length: BATCH }, (_, nth) => `${this.#target.producerId}-${batch * BATCH + nth}`);
    const messages = texts.map((text) => ({ body: Buffer.from(text) }));
    const request = PublishRequest.fromPartial({ ...this.#target, firstSequence: batch * BATCH + 1, messages });
    const { results } = await this.#caller
      .call(MessagingServiceService.publish, request, { deadline: Date.now() + DEADLINE_MS })
      .catch(() => ({ results: [] }));
    results.forEach(({ outcome, duplicate }, nth) => {
      const text = texts[nth] ?? '';
      if (outcome?.$case === 'messageId') {
        const before = this.places.get(text);
        if (before !== undefined && before !== outcome.value) {
          throw new Error(`${text} has two places: ${before} and ${outcome.value}`);
        }
        this.places.set(text, outcome.value);
        this.duplicates += duplicate ? 1 : 0;
      }
    });
    return texts.every((text) => this.places.has(text));
  }
}
