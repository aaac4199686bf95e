import { broker, held, owners, row, start } from '../test/broker-events.js';
import { type BrokerLeaseEffect } from './broker-lease-effect.js';
import { type BrokerLeases } from './broker-leases.js';
import { COALESCE_MS, LEASE_TTL_DEFAULT_MS } from './lease.js';

const TTL_MS = LEASE_TTL_DEFAULT_MS;
const STEP_MS = 1_000;

/** Two brokers since time 0, and partitions 0 and 1 of the data source `db`, one at each. */
class Scene {
  readonly leases: BrokerLeases;
  nowMs = 0;
  #sequence = 0;

  constructor() {
    const rows = [row(0, 'a', { dataSource: 'db' }), row(1, 'b', { incarnation: 2, dataSource: 'db' })];
    this.leases = start(undefined, rows);
    this.leases.register(1, broker('a', 1, { held: [held(0, 5)] }), 0);
    this.leases.register(2, broker('b', 2, { held: [held(1, 5)] }), 0);
    this.wait(COALESCE_MS, {});
  }

  /** Time passes, with heartbeats each second that tell what does not answer; the brokers give back what they are asked for. */
  wait(forMs: number, unreachable: { readonly a?: string[]; readonly b?: string[] }): void {
    const endMs = this.nowMs + forMs;
    while (this.nowMs < endMs) {
      this.#sequence += 1;
      this.#giveBack([
        ...this.leases.heartbeat(1, this.#sequence, this.nowMs, unreachable.a),
        ...this.leases.heartbeat(2, this.#sequence, this.nowMs, unreachable.b),
      ]);
      this.nowMs = Math.min(endMs, this.nowMs + STEP_MS);
      this.#giveBack(this.leases.tick(this.nowMs));
    }
  }

  #giveBack(effects: readonly BrokerLeaseEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'revoke') {
        this.leases.released(effect.session, effect.assignment, this.nowMs);
      }
    }
  }
}

describe('BrokerLeases: a data source that answers one broker nothing', () => {
  it('what is there goes to a broker that it answers, once that has lasted a TTL, and comes back afterwards', () => {
    const scene = new Scene();
    scene.wait(TTL_MS - 1_000, { a: ['db'] });
    expect(owners(scene.leases)).toEqual(['a@5', 'b@5']);
    scene.wait(3_000, { a: ['db'] });
    expect(owners(scene.leases)).toEqual(['b@6', 'b@5']);
    scene.wait(60_000, { a: ['db'] });
    expect(owners(scene.leases)).toEqual(['b@6', 'b@5']);
    scene.wait(3_000, {});
    expect(
      owners(scene.leases)
        .map((owner) => owner.slice(0, 1))
        .sort(),
    ).toEqual(['a', 'b']);
  });

  it('nothing moves while it answers nobody, nor because it answers one a little earlier than another again', () => {
    const scene = new Scene();
    scene.wait(60_000, { a: ['db'], b: ['db'] });
    scene.wait(TTL_MS - 2_000, { a: ['db'] });
    scene.wait(60_000, {});
    expect(owners(scene.leases)).toEqual(['a@5', 'b@5']);
  });

  it('nothing moves for another data source, or to a broker that is drained', () => {
    const scene = new Scene();
    scene.wait(60_000, { a: ['other'] });
    expect(owners(scene.leases)).toEqual(['a@5', 'b@5']);
    scene.leases.drain('b', { cancel: false }, scene.nowMs);
    scene.wait(60_000, { a: ['db'] });
    expect(owners(scene.leases)).toEqual(['a@5', 'a@6']);
  });
});
