import { type CancelTimer } from '@hermes/runtime';
import { type Environment } from './cluster/environment.js';

/**
 * From one request to the next while nobody waits for an answer. Each costs a call here, and at the broker a call and
 * a commit that appends have to wait for; and on Node 20 what a unary call of grpc-js leaves behind mostly survives
 * until a full collection.
 */
const GATHER_MS = 20;

/** How a queue sends. */
export interface RequestQueueOptions<Item> {
  readonly environment: Environment;
  /** Items of one request; more wait for the next one. */
  readonly itemsMax: number;
  /** So many items may gather; 0: each goes as soon as it can. */
  readonly gatherMax: () => number;
  /** One request; resolves once it is over, whatever came of it. */
  readonly send: (items: readonly Item[]) => Promise<void>;
}

/** One request in flight, in the items' order; what waits goes with the next. What nobody waits for gathers up to 20 ms. */
export class RequestQueue<Item> {
  readonly #options: RequestQueueOptions<Item>;
  #waiting: Item[] = [];
  #state: 'idle' | 'gathering' | 'busy' = 'idle';
  /** Somebody waits for the answer of what waits. */
  #isAwaited = false;
  /** When the last request was begun. */
  #begunAtMs = Number.NEGATIVE_INFINITY;
  #cancelGathering: CancelTimer = () => undefined;

  constructor(options: RequestQueueOptions<Item>) {
    this.#options = options;
  }

  /** Items that are in no request yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  push(item: Item, isAwaited: boolean): void {
    this.#waiting.push(item);
    this.#isAwaited ||= isAwaited;
    this.#look();
  }

  /** Sends what gathers. */
  flush(): void {
    this.#isAwaited = true;
    this.#look();
  }

  /** Takes out what waits and is `chosen`, in its order. */
  take(chosen: (item: Item) => boolean): Item[] {
    const taken = this.#waiting.filter(chosen);
    this.#waiting = this.#waiting.filter((item) => !chosen(item));
    return taken;
  }

  /** Begins a request, or waits until it is time for one. */
  #look(): void {
    if (this.#state === 'busy' || this.#waiting.length === 0) {
      return;
    }
    const { environment, gatherMax } = this.#options;
    const mayGather = !this.#isAwaited && this.#waiting.length < gatherMax();
    const leftMs = mayGather ? this.#begunAtMs + GATHER_MS - environment.clock.monotonicMs() : 0;
    if (leftMs <= 0) {
      this.#begin();
    } else if (this.#state === 'idle') {
      this.#state = 'gathering';
      this.#cancelGathering = environment.timers.after(leftMs, () => {
        this.#begin();
      });
    }
  }

  #begin(): void {
    this.#cancelGathering();
    this.#state = 'busy';
    this.#begunAtMs = this.#options.environment.clock.monotonicMs();
    // What is settled in the same turn of the event loop goes along.
    setImmediate(() => {
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    const items = this.#waiting.splice(0, this.#options.itemsMax);
    this.#isAwaited &&= this.#waiting.length > 0;
    await this.#options.send(items);
    this.#state = 'idle';
    this.#look();
  }
}
