import { type SeededRandom } from './seeded-random.js';
import { type Simulation } from './simulation.js';
import { type SimulationNode } from './simulation-node.js';
import { SimulationStream, type StreamEnd } from './simulation-stream.js';

/** What the network does to datagrams; streams know delay and cuts only, as TCP does. */
export interface NetworkOptions {
  readonly delayMinMs?: number;
  readonly delayMaxMs?: number;
  /** Share of datagrams that never come. */
  readonly loss?: number;
  /** Share of datagrams that come twice. */
  readonly duplication?: number;
  /** Share of messages that take ten times the longest delay: others pass them. */
  readonly lag?: number;
}

const SLOW_FACTOR = 10;

/** Connects nodes. Delays are drawn per message, so datagrams overtake each other; streams keep their order. */
export class SimulationNetwork {
  readonly #simulation: Simulation;
  readonly #random: SeededRandom;
  readonly #cuts = new Set<string>();
  readonly #healed: (() => void)[] = [];
  #options: Required<NetworkOptions>;

  constructor(simulation: Simulation, options: NetworkOptions = {}) {
    this.#simulation = simulation;
    this.#random = simulation.random('network');
    this.#options = { delayMinMs: 0.1, delayMaxMs: 2, loss: 0, duplication: 0, lag: 0, ...options };
  }

  /** Changes some of the options from now on. */
  set(options: NetworkOptions): void {
    this.#options = { ...this.#options, ...options };
  }

  /** Stops all that goes from `from` to `to`; the other direction stays. */
  cut(from: SimulationNode, to: SimulationNode): void {
    this.#simulation.note(`cut ${from.name} > ${to.name}`);
    this.#cuts.add(linkOf(from, to));
  }

  /** Ends one cut, or all without arguments; what streams held back goes on its way. */
  heal(from?: SimulationNode, to?: SimulationNode): void {
    this.#simulation.note('heal');
    if (from === undefined || to === undefined) {
      this.#cuts.clear();
    } else {
      this.#cuts.delete(linkOf(from, to));
    }
    for (const flush of this.#healed.splice(0)) {
      flush();
    }
  }

  isCut(from: SimulationNode, to: SimulationNode): boolean {
    return this.#cuts.has(linkOf(from, to));
  }

  /** @internal Calls `flush` at the next heal. */
  onHeal(flush: () => void): void {
    this.#healed.push(flush);
  }

  /** Sends a datagram: lost, late, doubled or overtaken as the options say. Reaches the process that runs now, or none. */
  send(link: { from: SimulationNode; to: SimulationNode; label: string }, receive: () => void): void {
    const { from, to, label } = link;
    if (this.isCut(from, to) || this.#random.chance(this.#options.loss)) {
      return;
    }
    const life = to.life;
    const copies = this.#random.chance(this.#options.duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#simulation.after(this.delayMs(), label, () => {
        to.deliver(receive, life);
      });
    }
  }

  /** Opens a stream between two processes; both ends are live at once, and sending is ordered and never doubled. */
  connect(ends: { from: SimulationNode; to: SimulationNode; label: string }): { near: StreamEnd; far: StreamEnd } {
    return new SimulationStream(this.#simulation, this, ends);
  }

  /** Draws how long one message takes. */
  delayMs(): number {
    const { delayMinMs, delayMaxMs, lag } = this.#options;
    const delayMs = this.#random.between(delayMinMs, delayMaxMs);
    return this.#random.chance(lag) ? delayMs + SLOW_FACTOR * delayMaxMs : delayMs;
  }
}

function linkOf(from: SimulationNode, to: SimulationNode): string {
  return `${from.name}>${to.name}`;
}
