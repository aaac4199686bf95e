import { checkHistory } from './check-history.js';
import { type History, type HistoryEvent, parseHistory } from './history-event.js';

const publish = (val: string, off: number, type: HistoryEvent['type'] = 'ok'): HistoryEvent[] => {
  const common = { proc: 'p', f: 'publish', topic: 't', part: 0, val, hash: `h${val}` } as const;
  return [
    { ...common, t: off * 10, type: 'invoke' },
    { ...common, t: off * 10 + 1, type, ...(type === 'ok' ? { off } : {}) },
  ];
};
const deliver = (val: string, off: number, more: Partial<HistoryEvent> = {}): HistoryEvent => ({
  t: 1_000 + off,
  proc: 'c',
  type: 'ok',
  f: 'deliver',
  topic: 't',
  part: 0,
  group: 'g',
  val,
  hash: `h${val}`,
  off,
  did: `${val}-1`,
  attempt: 1,
  ...more,
});
const settle = (did: string, t: number, f: 'ack' | 'nack' = 'ack'): HistoryEvent => ({
  t,
  proc: 'c',
  type: 'ok',
  f,
  did,
});
const record = (val: string, off: number) => ({
  topic: 't',
  part: 0,
  lane: 0,
  off,
  val,
  hash: `h${val}`,
  pid: 1,
  seq: off,
});

const good: History = {
  events: [
    ...publish('a', 0),
    ...publish('b', 1),
    ...publish('c', 2, 'info'),
    deliver('a', 0),
    settle('a-1', 1_100),
    deliver('b', 1),
    settle('b-1', 1_200, 'nack'),
    deliver('b', 1, { t: 1_300, did: 'b-2', attempt: 2 }),
    settle('b-2', 1_400),
    deliver('c', 2),
  ],
  log: [record('a', 0), record('b', 1), record('c', 2)],
  drainedGroups: [{ topic: 't', group: 'g' }],
};
const broken = (history: History): string[] => [
  ...new Set(checkHistory(history, { orderedGroups: ['g'] }).violations.map(({ invariant }) => invariant)),
];

describe('checkHistory', () => {
  it('passes a good run, and counts unknown publishes that are there', () => {
    expect(checkHistory(good, { orderedGroups: ['g'] })).toEqual({ verdict: 'pass', violations: [], recovered: 1 });
  });

  it('takes a run that was not drained for unknown, never for a pass', () => {
    expect(checkHistory({ ...good, drainedGroups: [] }).verdict).toBe('unknown');
  });

  it('reads JSON lines', () => {
    expect(parseHistory(`${JSON.stringify(deliver('a', 0))}\n\n`)).toEqual([deliver('a', 0)]);
  });

  it.each<[string, string, Partial<History>]>([
    ['I1', 'an acknowledged message that the log lost', { log: good.log.slice(0, 1).concat(good.log.slice(2, 3)) }],
    [
      'I1',
      'an acknowledged message that was never delivered',
      { events: good.events.filter(({ f, val }) => f !== 'deliver' || val !== 'a') },
    ],
    [
      'I3',
      'a payload that was changed',
      { events: good.events.map((e) => (e.f === 'deliver' ? { ...e, hash: 'x' } : e)) },
    ],
    ['I3', 'a message that nobody published', { log: [...good.log, record('z', 3)] }],
    ['I4', 'a refused message that is there', { events: [...good.events, ...publish('c', 2, 'fail')] }],
    ['I5', 'two values at one offset', { events: [...good.events, deliver('a', 1, { did: 'x', attempt: 3 })] }],
    ['I7', 'offsets with a gap', { log: [record('a', 0), record('b', 1), record('c', 3)] }],
    [
      'I9',
      'two messages of one producer swapped',
      { log: [{ ...record('a', 0), seq: 1 }, { ...record('b', 1), seq: 0 }, record('c', 2)] },
    ],
    ['I12', 'an ordered group that skips ahead', { events: [deliver('c', 2), ...good.events] }],
    [
      'I14',
      'a second delivery of what is in flight',
      {
        events: [
          ...good.events.map((e) => (e.off === 2 && e.f === 'deliver' ? { ...e, until: 9_000 } : e)),
          deliver('c', 2, { t: 2_000, did: 'c-2', attempt: 2 }),
        ],
      },
    ],
    [
      'I15',
      'an acknowledged message that comes again',
      { events: [...good.events, deliver('a', 0, { t: 2_000, did: 'a-2', attempt: 2 })] },
    ],
    [
      'I20',
      'an attempt counter that starts anew',
      { events: [...good.events, deliver('c', 2, { t: 2_000, did: 'c-2', attempt: 1 })] },
    ],
  ])('%s: finds %s', (invariant, _, change) => {
    expect(broken({ ...good, ...change })).toContain(invariant);
  });

  it('allows the same attempt again when it is marked as redelivered', () => {
    const again = deliver('c', 2, { t: 2_000, did: 'c-2', attempt: 1, redelivered: true });
    expect(broken({ ...good, events: [...good.events, again] })).toEqual([]);
  });
});
