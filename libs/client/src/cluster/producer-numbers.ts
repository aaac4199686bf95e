import { random53, type Random } from '@hermes/runtime';
import { type PendingMessage } from './pending-message.js';

/** From the oldest number without an outcome to the newest: owners remember the last 1,024 of a producer. */
export const SPAN_MAX = 1_000;

/**
 * Numbers the messages of one partition in the order in which they are first sent, so that its owner knows a repeat. (As
 * Kafka's idempotent producer does; here gaps are allowed, so a message that fails for good costs its neighbours nothing.)
 */
export class ProducerNumbers {
  readonly #random: Random;
  #producerId: number;
  #next = 1;
  /** What has a number, in the order of the numbers; those in front that have their outcome are passed over. */
  #numbered: PendingMessage[] = [];
  #head = 0;
  /** The owner does not know the producer any more. */
  #isForgotten = false;

  constructor(random: Random) {
    this.#random = random;
    this.#producerId = newId(random);
  }

  /** Gives a message a number, if it needs one. False: it has to wait, for too many before it have no outcome. */
  number(message: PendingMessage): boolean {
    if (message.isRepeatable) {
      return true;
    }
    this.#pass();
    const oldest = this.#numbered[this.#head]?.identity?.sequence ?? this.#next;
    if (this.#next - oldest >= SPAN_MAX) {
      return false;
    }
    message.identity = { producerId: this.#producerId, sequence: this.#next };
    this.#next += 1;
    this.#numbered.push(message);
    return true;
  }

  /**
   * A message was refused with OUT_OF_SEQUENCE. True if that only says that its producer is not known: it was not stored,
   * and goes again with another number, once `renew` was called.
   */
  forgotten({ identity, isDoubtful }: PendingMessage): boolean {
    const isOwn = identity?.producerId === this.#producerId && !isDoubtful;
    this.#isForgotten ||= isOwn;
    return isOwn;
  }

  /** With nothing on its way: begins anew if the producer was forgotten. What is in doubt keeps the number that it has. */
  renew(): void {
    if (!this.#isForgotten) {
      return;
    }
    this.#isForgotten = false;
    for (const message of this.#numbered.slice(this.#head)) {
      if (!message.isDoubtful) {
        message.identity = undefined;
      }
    }
    this.#numbered = [];
    this.#head = 0;
    this.#producerId = newId(this.#random);
    this.#next = 1;
  }

  #pass(): void {
    while (this.#numbered[this.#head]?.state === 'settled') {
      this.#head += 1;
    }
    if (this.#head >= SPAN_MAX) {
      this.#numbered = this.#numbered.slice(this.#head);
      this.#head = 0;
    }
  }
}

/** 0 stands for none. */
function newId(random: Random): number {
  return random53(random) || 1;
}
