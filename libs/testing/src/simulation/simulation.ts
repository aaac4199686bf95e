import { EventHeap, type SimulationEvent } from './event-heap.js';
import { type NetworkOptions, SimulationNetwork } from './simulation-network.js';
import { type NodeOptions, SimulationNode } from './simulation-node.js';
import { type SeededRandom, splitRandom } from './seeded-random.js';
import { Trace } from './trace.js';

/** Bounds a run that feeds itself for ever: no scenario needs more. */
const EVENTS_MAX = 5_000_000;

/**
 * A world of virtual time, wholly decided by its seed: events run one after another, in the order of (time, random
 * tie, sequence). Synchronous: the code under test is called from events and must not await.
 */
export class Simulation {
  readonly seed: number;
  readonly trace = new Trace();
  readonly network: SimulationNetwork;
  readonly #heap = new EventHeap();
  readonly #ties: SeededRandom;
  readonly #nodes = new Map<string, SimulationNode>();
  #nowMs = 0;
  #seq = 0;
  #events = 0;

  constructor(seed: number, options: { network?: NetworkOptions } = {}) {
    this.seed = seed;
    this.#ties = this.random('ties');
    this.network = new SimulationNetwork(this, options.network);
  }

  /** True time, which no node sees. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Number of events that ran. */
  get events(): number {
    return this.#events;
  }

  /** The generator for one purpose; asking again starts it anew. */
  random(purpose: string): SeededRandom {
    return splitRandom(this.seed, purpose);
  }

  /** Adds a machine with its own clock and timers. */
  node(name: string, options: NodeOptions = {}): SimulationNode {
    if (this.#nodes.has(name)) {
      throw new Error(`node ${name} exists`);
    }
    const node = new SimulationNode(this, name, options);
    this.#nodes.set(name, node);
    return node;
  }

  get nodes(): SimulationNode[] {
    return [...this.#nodes.values()];
  }

  /** Runs `run` after `delayMs` of true time, whatever the state of any node. Returns its cancel. */
  after(delayMs: number, label: string, run: () => void): () => void {
    const event: SimulationEvent = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      tie: this.#ties.next(),
      seq: this.#seq++,
      run,
      label,
      cancelled: false,
    };
    this.#heap.push(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** Runs all that happens up to `untilMs`; `check` looks at the world after each event. */
  run(untilMs: number, check?: () => void): void {
    for (let event = this.#heap.peek(); event !== undefined && event.atMs <= untilMs; event = this.#heap.peek()) {
      this.#heap.pop();
      if (event.cancelled) {
        continue;
      }
      this.#step(event);
      check?.();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Notes a fact of the scenario in the trace. */
  note(label: string): void {
    this.trace.add(this.#nowMs, label);
  }

  #step(event: SimulationEvent): void {
    this.#events += 1;
    if (this.#events > EVENTS_MAX) {
      throw new Error(`more than ${EVENTS_MAX} events: the scenario feeds itself`);
    }
    this.#nowMs = event.atMs;
    this.trace.add(event.atMs, event.label);
    event.run();
  }
}
