import { type PendingMessage } from './pending-message.js';
import { frameFits } from './publish-stream.js';

/** So many taken messages stay in front of the array before it is cut: cutting costs what is behind them. */
const TAKEN_MAX = 1_024;

/** Asked of each message whose turn it is. */
export interface Sendable {
  readonly alive: (message: PendingMessage) => boolean;
  readonly go: (message: PendingMessage) => boolean;
}

/** The messages of one partition that wait to be sent, in order, with those that were refused and go again first. */
export class Backlog {
  #waiting: PendingMessage[] = [];
  #head = 0;
  #refused: PendingMessage[] = [];

  /** True if a message could be sent now. */
  get isWaiting(): boolean {
    return this.#head < this.#waiting.length;
  }

  /** True if there is no message at all, refused ones included. */
  get isEmpty(): boolean {
    return !this.isWaiting && this.#refused.length === 0;
  }

  /** Number of messages that were refused since the last `rejoin`. */
  get refused(): number {
    return this.#refused.length;
  }

  push(message: PendingMessage): void {
    this.#waiting.push(message);
  }

  /** Keeps aside, in its order, what goes again once the stream that refused it has ended. */
  refuse(message: PendingMessage): void {
    message.state = 'waiting';
    this.#refused.push(message);
  }

  /** Puts what was refused in front of all that came after it. */
  rejoin(): void {
    this.#waiting = [...this.#refused, ...this.#waiting.slice(this.#head)];
    this.#head = 0;
    this.#refused = [];
  }

  /**
   * Takes the next messages for one frame, at most `max` and as many as it may hold: those that are not `alive` are dropped, one that may
   * not `go` now ends it.
   */
  takeFrame({ alive, go }: Sendable, max: number): PendingMessage[] {
    const frame: PendingMessage[] = [];
    let bytes = 0;
    for (let next = this.#waiting[this.#head]; next !== undefined; next = this.#waiting[this.#head]) {
      if (alive(next)) {
        const hasRoom = frame.length < max && frameFits(frame.length, bytes, next.bytes.length);
        if (!hasRoom || !go(next) || !isNextOf(frame.at(-1), next)) {
          break;
        }
        frame.push(next);
        bytes += next.bytes.length;
      }
      this.#head += 1;
    }
    this.#cut();
    return frame;
  }

  /** Calls `look` for each message and forgets those that it has settled. */
  sweep(look: (message: PendingMessage) => void): void {
    this.#refused.forEach(look);
    const waiting = this.#waiting.slice(this.#head);
    waiting.forEach(look);
    this.#waiting = waiting.filter(({ state }) => state !== 'settled');
    this.#head = 0;
  }

  #cut(): void {
    if (!this.isWaiting) {
      this.#waiting = [];
      this.#head = 0;
    } else if (this.#head > TAKEN_MAX && this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
  }
}

/** A frame tells one producer and its first sequence: the others count on from there. */
function isNextOf(last: PendingMessage | undefined, next: PendingMessage): boolean {
  return (
    last === undefined ||
    (last.identity?.producerId === next.identity?.producerId &&
      (last.identity === undefined || next.identity?.sequence === last.identity.sequence + 1))
  );
}
