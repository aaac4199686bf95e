import { findFailure, runSeeds } from './run-seeds.js';
import { splitRandom } from './seeded-random.js';
import { Simulation } from './simulation.js';

/** Two nodes that send each other datagrams under faults. */
function chatter(simulation: Simulation): string[] {
  const heard: string[] = [];
  const a = simulation.node('a', { clockRate: 1.001 });
  const b = simulation.node('b');
  simulation.network.set({ loss: 0.1, duplication: 0.1, lag: 0.1 });
  let count = 0;
  const speak = (): void => {
    const word = String(count++);
    simulation.network.send({ from: a, to: b, label: word }, () => heard.push(word));
    a.timers.after(1, speak);
  };
  speak();
  const faults = simulation.random('faults');
  simulation.after(faults.between(10, 20), 'stall', () => {
    b.stall();
  });
  simulation.after(faults.between(30, 40), 'resume', () => {
    b.resume();
  });
  simulation.run(100);
  return heard;
}

describe('Simulation', () => {
  it('plays the same seed the same way, and other seeds otherwise', () => {
    const [one, again, other] = [new Simulation(7), new Simulation(7), new Simulation(8)];
    expect(chatter(one)).toEqual(chatter(again));
    chatter(other);
    expect(one.trace.hash).toBe(again.trace.hash);
    expect(one.trace.hash).not.toBe(other.trace.hash);
  });

  it('loses, doubles and reorders datagrams', () => {
    const heard = chatter(new Simulation(3)).map(Number);
    expect(new Set(heard).size).toBeLessThan(heard.length);
    expect(heard.some((word, i) => word < (heard[i - 1] ?? -1))).toBe(true);
    expect(new Set(heard).size).toBeLessThan(Math.max(...heard));
  });

  it('draws for each purpose from a generator of its own', () => {
    const draws = [splitRandom(1, 'x'), splitRandom(1, 'x'), splitRandom(1, 'y')].map((random) => random.next());
    expect(draws[0]).toBe(draws[1]);
    expect(draws[0]).not.toBe(draws[2]);
  });

  it('runs events in the order of time, and explores the order of ties', () => {
    const orders = new Set<string>();
    for (let seed = 1; seed <= 50; seed++) {
      const simulation = new Simulation(seed);
      const order: string[] = [];
      for (const name of ['a', 'b', 'c']) {
        simulation.after(5, name, () => order.push(name));
      }
      simulation.after(1, 'first', () => order.push('first'));
      simulation.run(10);
      expect(order[0]).toBe('first');
      orders.add(order.join());
    }
    expect(orders.size).toBe(6);
  });

  it('holds timers and messages of a stalled node and gives them in one burst', () => {
    const simulation = new Simulation(1);
    const node = simulation.node('n');
    const seen: number[] = [];
    for (const delayMs of [1, 2, 3]) {
      node.timers.after(delayMs, () => seen.push(simulation.nowMs));
    }
    node.stall();
    simulation.run(10);
    expect(seen).toEqual([]);
    node.resume();
    expect(seen).toEqual([10, 10, 10]);
  });

  it('forgets timers and messages of a crashed node, also after its restart', () => {
    const simulation = new Simulation(1);
    const node = simulation.node('n');
    let fired = false;
    node.timers.after(1, () => (fired = true));
    node.crash();
    node.restart();
    simulation.run(10);
    expect(fired).toBe(false);
  });

  it('keeps the order of a stream, over a cut too, and shows its end to one side first', () => {
    const simulation = new Simulation(5, { network: { lag: 0.3 } });
    const [a, b] = [simulation.node('a'), simulation.node('b')];
    const { near, far } = simulation.network.connect({ from: a, to: b, label: 's' });
    const heard: number[] = [];
    let ended = false;
    far.onEnd(() => (ended = true));
    for (let i = 0; i < 20; i++) {
      if (i === 10) {
        simulation.network.cut(a, b);
      }
      near.send(String(i), () => heard.push(i));
    }
    near.end();
    simulation.run(100);
    expect(heard).toHaveLength(10);
    expect([near.ended, ended]).toEqual([true, false]);
    simulation.network.heal();
    simulation.run(200);
    expect(heard).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(ended).toBe(true);
  });

  it('runs a clock at its rate', () => {
    const simulation = new Simulation(1);
    const node = simulation.node('n', { clockRate: 2, wallMs: 0 });
    let firedAtMs = -1;
    node.timers.after(10, () => (firedAtMs = simulation.nowMs));
    simulation.run(50);
    expect([firedAtMs, node.clock.monotonicMs(), node.clock.wallMs()]).toEqual([5, 100, 100]);
    node.jumpWall(1000);
    expect(node.clock.wallMs()).toBe(1100);
  });
});

describe('runSeeds', () => {
  const failsAbove = (limit: number) => (simulation: Simulation) => {
    simulation.after(1, 'draw', () => {
      if (simulation.random('x').next() > limit) {
        throw new Error('too big');
      }
    });
    simulation.run(10);
  };

  it('names the failing seed, which fails again when replayed', () => {
    const failure = findFailure({ seeds: 1000, scenario: failsAbove(0.99) });
    expect(failure?.message).toMatch(/seed \d+ fails at 1\.0 ms: too big/);
    const replayed = findFailure({ seeds: 1000, seed: failure!.seed, scenario: failsAbove(0.99) });
    expect([replayed?.seed, replayed?.hash]).toEqual([failure?.seed, failure?.hash]);
  });

  it('plays every seed when none fails', () => {
    expect(runSeeds({ seeds: 20, scenario: failsAbove(1) })).toEqual({ seeds: 20, events: 20 });
  });
});
