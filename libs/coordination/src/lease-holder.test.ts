import { type LeaseAssignment } from './lease.js';
import { LeaseHolder } from './lease-holder.js';

const TTL_MS = 10_000;
const at = (monotonicMs: number, wallMs = monotonicMs) => ({ monotonicMs, wallMs });
const assignment = (partition: number, epoch: number, revision = 1): LeaseAssignment => ({
  topic: 't',
  partition,
  epoch,
  endpoint: '',
  revision,
  created: true,
  dataSource: '',
});
const grant = (sequence: number, assignments?: LeaseAssignment[]) => ({
  ttlMs: TTL_MS,
  sequence,
  changed: assignments !== undefined,
  assignments: assignments ?? [],
});

/** A holder that was granted partition 0 at epoch 1 by a heartbeat sent at 0. */
function granted(): { holder: LeaseHolder; stream: number } {
  const holder = new LeaseHolder();
  const { stream } = holder.register(at(0));
  const { sequence } = holder.heartbeat(at(0));
  holder.granted(stream, grant(0, [assignment(0, 1)]), at(50));
  holder.granted(stream, grant(sequence!), at(100));
  return { holder, stream };
}

describe('LeaseHolder', () => {
  it('counts the lease from before the heartbeat was sent, not from its answer', () => {
    const { holder } = granted();
    expect(holder.expiresAtMs).toBe(TTL_MS);
    expect([holder.valid('t', 0, TTL_MS - 1), holder.valid('t', 0, TTL_MS)]).toEqual([true, false]);
    expect(holder.valid('t', 1, 200)).toBe(false);
  });

  it('holds nothing valid before its first heartbeat is answered: a pushed grant prolongs nothing', () => {
    const holder = new LeaseHolder();
    const { stream } = holder.register(at(0));
    const change = holder.granted(stream, grant(0, [assignment(0, 1)]), at(10));
    expect(change.opened).toHaveLength(1);
    expect(holder.valid('t', 0, 10)).toBe(false);
  });

  it('closes everything when the lease ends, and ignores answers that were under way', () => {
    const { holder, stream } = granted();
    const { sequence } = holder.heartbeat(at(3_000));
    const ended = holder.tick(at(TTL_MS));
    expect([ended.expired, ended.closed.map(({ partition }) => partition)]).toEqual([true, [0]]);
    holder.granted(stream, grant(sequence!, [assignment(0, 1)]), at(TTL_MS + 1));
    expect(holder.valid('t', 0, TTL_MS + 2)).toBe(false);
    expect(holder.register(at(TTL_MS + 3)).held).toEqual([]);
  });

  it('takes a machine’s suspension for the end of its lease', () => {
    const { holder } = granted();
    expect(holder.heartbeat(at(3_000, 3_900)).change.expired).toBe(false);
    expect(holder.heartbeat(at(6_000, 9_000)).change.expired).toBe(true);
    expect(holder.valid('t', 0, 6_001)).toBe(false);
  });

  it('keeps its lease over the end of a stream, and ignores what the old stream says', () => {
    const { holder, stream } = granted();
    const again = holder.register(at(2_000));
    expect(again.held.map(({ partition, epoch }) => [partition, epoch])).toEqual([[0, 1]]);
    expect(holder.granted(stream, grant(0, []), at(2_100)).closed).toEqual([]);
    expect(holder.valid('t', 0, 2_200)).toBe(true);
  });

  it('opens, closes and updates by what a complete grant says', () => {
    const { holder, stream } = granted();
    const { sequence } = holder.heartbeat(at(1_000));
    const change = holder.granted(stream, grant(sequence!, [assignment(0, 2), assignment(1, 1)]), at(1_010));
    expect(change.opened.map(({ partition, epoch }) => [partition, epoch])).toEqual([
      [0, 2],
      [1, 1],
    ]);
    expect(change.closed.map(({ partition, epoch }) => [partition, epoch])).toEqual([[0, 1]]);
    const next = holder.granted(stream, grant(0, [assignment(0, 2, 7), assignment(1, 1)]), at(1_020));
    expect([next.opened, next.updated.map(({ revision }) => revision)]).toEqual([[], [7]]);
  });

  it('does not take back what it has released, when a grant crosses the release', () => {
    const { holder, stream } = granted();
    expect(holder.revoked(stream, assignment(0, 1))?.epoch).toBe(1);
    expect(holder.release(assignment(0, 1))).toBe(true);
    expect(holder.granted(stream, grant(0, [assignment(0, 1)]), at(500)).opened).toEqual([]);
    expect(holder.granted(stream, grant(0, [assignment(0, 2)]), at(600)).opened).toHaveLength(1);
  });

  it('takes on a new stream what it released before: its meta-server may have an older backup', () => {
    const { holder } = granted();
    holder.release(assignment(0, 1));
    const { stream } = holder.register(at(500));
    expect(holder.granted(stream, grant(0, [assignment(0, 1)]), at(600)).opened).toHaveLength(1);
  });

  it('takes on the same stream what it released, once a grant in between was without it', () => {
    const { holder, stream } = granted();
    holder.release(assignment(0, 1));
    holder.granted(stream, grant(0, []), at(500));
    expect(holder.granted(stream, grant(0, [assignment(0, 1)]), at(600)).opened).toHaveLength(1);
  });

  it('applies revokes and releases to the epoch that they name alone', () => {
    const { holder, stream } = granted();
    expect(holder.revoked(stream, assignment(0, 9))).toBeUndefined();
    expect(holder.release(assignment(0, 9))).toBe(false);
    expect(holder.valid('t', 0, 200)).toBe(true);
  });

  describe('renewed in the database', () => {
    const renewed = (holder: LeaseHolder, sentAtMs: number, owned: LeaseAssignment[], nowMs = sentAtMs + 10) =>
      holder.renewed(holder.renewal(at(sentAtMs)).renewal!, { ttlMs: TTL_MS, owned }, at(nowMs));

    it('lasts its TTL from before that was asked for, and keeps what the database says is owned', () => {
      const { holder, stream } = granted();
      holder.granted(stream, grant(0, [assignment(0, 1), assignment(1, 4)]), at(200));
      const change = renewed(holder, 3_000, [assignment(0, 1), assignment(1, 5)]);
      expect(change.closed.map(({ partition, epoch }) => [partition, epoch])).toEqual([[1, 4]]);
      expect(holder.expiresAtMs).toBe(3_000 + TTL_MS);
      expect(holder.valid('t', 0, 3_000 + TTL_MS - 1)).toBe(true);
    });

    it('cannot be begun when nothing is held, and an answer revives no lease that has ended', () => {
      expect(new LeaseHolder().renewal(at(0)).renewal).toBeUndefined();
      const { holder } = granted();
      const { renewal } = holder.renewal(at(TTL_MS - 10));
      expect(holder.tick(at(TTL_MS)).expired).toBe(true);
      expect(holder.renewed(renewal!, { ttlMs: TTL_MS, owned: [assignment(0, 1)] }, at(TTL_MS + 5)).closed).toEqual([]);
      expect(holder.expiresAtMs).toBe(Number.NEGATIVE_INFINITY);
      const late = holder.renewal(at(TTL_MS + 6));
      expect([late.renewal, late.change.expired]).toEqual([undefined, false]);
    });

    it('that has ended and is held anew is another lease', () => {
      const { holder } = granted();
      const { renewal } = holder.renewal(at(TTL_MS - 10));
      holder.tick(at(TTL_MS));
      const { stream } = holder.register(at(TTL_MS + 1));
      const { sequence } = holder.heartbeat(at(TTL_MS + 1));
      holder.granted(stream, grant(sequence!, [assignment(0, 2)]), at(TTL_MS + 2));
      const change = holder.renewed(renewal!, { ttlMs: 5 * TTL_MS, owned: [assignment(0, 1)] }, at(TTL_MS + 3));
      expect(change.closed).toEqual([]);
      expect(holder.expiresAtMs).toBe(2 * TTL_MS + 1);
    });

    it('takes nothing away that a meta-server has granted since it was asked', () => {
      const { holder } = granted();
      const { renewal } = holder.renewal(at(1_000));
      const { stream } = holder.register(at(1_005));
      holder.granted(stream, grant(0, [assignment(0, 1), assignment(1, 1)]), at(1_010));
      const change = holder.renewed(renewal!, { ttlMs: TTL_MS, owned: [assignment(0, 1)] }, at(1_020));
      expect(change.closed).toEqual([]);
      expect(holder.expiresAtMs).toBe(1_000 + TTL_MS);
    });
  });
});
