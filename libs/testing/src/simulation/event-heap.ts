/** Something that happens at a moment of virtual time. */
export interface SimulationEvent {
  readonly atMs: number;
  /** Random: orders what happens at the same moment, so that seeds explore ties. */
  readonly tie: number;
  readonly seq: number;
  readonly run: () => void;
  readonly label: string;
  cancelled: boolean;
}

function before(a: SimulationEvent, b: SimulationEvent): boolean {
  if (a.atMs !== b.atMs) {
    return a.atMs < b.atMs;
  }
  return a.tie === b.tie ? a.seq < b.seq : a.tie < b.tie;
}

/** A binary heap of events, ordered by (time, random tie, sequence). */
export class EventHeap {
  readonly #events: SimulationEvent[] = [];

  get size(): number {
    return this.#events.length;
  }

  peek(): SimulationEvent | undefined {
    return this.#events[0];
  }

  push(event: SimulationEvent): void {
    const events = this.#events;
    let at = events.length;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = events[up];
      if (parent === undefined || !before(event, parent)) {
        break;
      }
      events[at] = parent;
      at = up;
    }
    events[at] = event;
  }

  pop(): SimulationEvent | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) {
      return first;
    }
    this.#sink(last);
    return first;
  }

  #sink(event: SimulationEvent): void {
    const events = this.#events;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      let child = events[down];
      const right = events[down + 1];
      if (child !== undefined && right !== undefined && before(right, child)) {
        down += 1;
        child = right;
      }
      if (child === undefined || !before(child, event)) {
        break;
      }
      events[at] = child;
      at = down;
    }
    events[at] = event;
  }
}
