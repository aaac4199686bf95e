import { type Simulation } from './simulation.js';
import { type SimulationNetwork } from './simulation-network.js';
import { type SimulationNode } from './simulation-node.js';

/** One side of a stream. */
export interface StreamEnd {
  /** Sends in order; nothing once this side has ended. */
  send(label: string, receive: () => void): void;
  /** Called once when this side learns that the stream is over. */
  onEnd(listener: () => void): void;
  /** Ends the stream: here at once, at the other side when the news arrives. */
  end(): void;
  /** Ends this side only, as a keepalive that gives up does. */
  drop(): void;
  readonly ended: boolean;
}

/** A connection as TCP gives it: ordered, held back by cuts, and its end may be seen by one side long before the other. */
export class SimulationStream {
  readonly near: Side;
  readonly far: Side;

  constructor(
    simulation: Simulation,
    network: SimulationNetwork,
    ends: { from: SimulationNode; to: SimulationNode; label: string },
  ) {
    this.near = new Side({ simulation, network, label: ends.label, own: ends.from, peer: ends.to });
    this.far = new Side({ simulation, network, label: ends.label, own: ends.to, peer: ends.from });
    this.near.other = this.far;
    this.far.other = this.near;
  }
}

interface SideOptions {
  readonly simulation: Simulation;
  readonly network: SimulationNetwork;
  readonly label: string;
  readonly own: SimulationNode;
  readonly peer: SimulationNode;
}

class Side implements StreamEnd {
  other!: Side;
  readonly life: number;
  readonly #at: SideOptions;
  readonly #waiting: { label: string; receive: () => void }[] = [];
  #listener: (() => void) | undefined;
  #lastAtMs = 0;
  #ended = false;

  constructor(options: SideOptions) {
    this.#at = options;
    this.life = options.own.life;
  }

  get ended(): boolean {
    return this.#ended || this.life !== this.#at.own.life;
  }

  send(label: string, receive: () => void): void {
    if (this.ended) {
      return;
    }
    this.#transmit(label, () => {
      if (!this.other.#ended) {
        receive();
      }
    });
  }

  onEnd(listener: () => void): void {
    this.#listener = listener;
  }

  end(): void {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    this.#transmit(`${this.#at.label} end`, () => {
      this.other.#learn();
    });
  }

  drop(): void {
    this.#learn();
  }

  #learn(): void {
    if (!this.#ended) {
      this.#ended = true;
      this.#listener?.();
    }
  }

  #transmit(label: string, arrive: () => void): void {
    const { network, own, peer } = this.#at;
    if (network.isCut(own, peer) || this.#waiting.length > 0) {
      if (this.#waiting.length === 0) {
        network.onHeal(() => {
          this.#flush();
        });
      }
      this.#waiting.push({ label, receive: arrive });
      return;
    }
    const { simulation } = this.#at;
    // Strictly later than what was sent before, so that a tie cannot turn the order.
    const atMs = Math.max(simulation.nowMs + network.delayMs(), this.#lastAtMs + 0.001);
    this.#lastAtMs = atMs;
    simulation.after(atMs - simulation.nowMs, `${this.#at.label} ${label}`, () => {
      peer.deliver(arrive, this.other.life);
    });
  }

  #flush(): void {
    const waiting = this.#waiting.splice(0);
    for (const { label, receive } of waiting) {
      this.#transmit(label, receive);
    }
  }
}
