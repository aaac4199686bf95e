import { type SeededRandom } from './seeded-random.js';
import { type Simulation } from './simulation.js';

/** How a node's clocks err. */
export interface NodeOptions {
  /** Speed of both clocks against true time; 1 if unset. */
  readonly clockRate?: number;
  /** Wall time at the start of the simulation. */
  readonly wallMs?: number;
}

export type NodeState = 'running' | 'stalled' | 'crashed';

interface Held {
  readonly kind: 'timer' | 'message';
  readonly run: () => void;
}

/**
 * One machine with one process. A crashed process has lost its timers and messages; a stalled one (SIGSTOP) gets
 * them all late, in one burst, when it goes on: timers first, messages first, or as they came.
 */
export class SimulationNode {
  readonly name: string;
  /** Fits runtime's `Clock`. */
  readonly clock: { wallMs(): number; monotonicMs(): number };
  /** Fits runtime's `Timers`. */
  readonly timers: { after(delayMs: number, callback: () => void): () => void };
  readonly clockRate: number;
  readonly #simulation: Simulation;
  readonly #random: SeededRandom;
  #wallOffsetMs: number;
  #state: NodeState = 'running';
  #life = 0;
  #held: Held[] = [];

  constructor(simulation: Simulation, name: string, options: NodeOptions) {
    this.name = name;
    this.#simulation = simulation;
    this.#random = simulation.random(`node ${name}`);
    this.clockRate = options.clockRate ?? 1;
    this.#wallOffsetMs = options.wallMs ?? 1_700_000_000_000;
    const monotonicMs = (): number => simulation.nowMs * this.clockRate;
    this.clock = { monotonicMs, wallMs: () => this.#wallOffsetMs + monotonicMs() };
    this.timers = { after: (delayMs, callback) => this.#after(delayMs, callback) };
  }

  get state(): NodeState {
    return this.#state;
  }

  /** Number of process starts before this one; grows at each crash. */
  get life(): number {
    return this.#life;
  }

  /** Ends the process: its timers and undelivered messages are gone. */
  crash(): void {
    this.#simulation.note(`${this.name} crashes`);
    this.#state = 'crashed';
    this.#life += 1;
    this.#held = [];
  }

  /** Lets a new process run on the machine; the scenario starts it. */
  restart(): void {
    if (this.#state !== 'crashed') {
      throw new Error(`${this.name} is ${this.#state}`);
    }
    this.#simulation.note(`${this.name} restarts`);
    this.#state = 'running';
  }

  /** SIGSTOP. */
  stall(): void {
    if (this.#state === 'running') {
      this.#simulation.note(`${this.name} stalls`);
      this.#state = 'stalled';
    }
  }

  /** SIGCONT: what came due meanwhile comes now. */
  resume(): void {
    if (this.#state !== 'stalled') {
      return;
    }
    this.#simulation.note(`${this.name} goes on`);
    this.#state = 'running';
    const held = this.#held;
    const first = this.#random.pick(['timer', 'message', 'as held'] as const);
    const burst = first === 'as held' ? held : [...held].sort((a, b) => rank(a, first) - rank(b, first));
    this.#held = [];
    for (const item of burst) {
      if (this.state === 'stalled') {
        this.#held.push(item);
      } else if (this.state === 'running') {
        item.run();
      }
    }
  }

  /** Makes wall time jump. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** Hands something to the process of now: at once, held while it is stalled, or never when it is gone. */
  deliver(run: () => void, life = this.#life): void {
    this.#give({ kind: 'message', run }, life);
  }

  #after(delayMs: number, callback: () => void): () => void {
    const life = this.#life;
    let cancelled = false;
    const run = (): void => {
      if (!cancelled) {
        callback();
      }
    };
    const cancel = this.#simulation.after(Math.max(0, delayMs) / this.clockRate, `${this.name} timer`, () => {
      this.#give({ kind: 'timer', run }, life);
    });
    return () => {
      cancelled = true;
      cancel();
    };
  }

  #give(item: Held, life: number): void {
    if (life !== this.#life || this.#state === 'crashed') {
      return;
    }
    if (this.#state === 'stalled') {
      this.#held.push(item);
      return;
    }
    item.run();
  }
}

function rank(item: Held, first: 'timer' | 'message'): number {
  return item.kind === first ? 0 : 1;
}
