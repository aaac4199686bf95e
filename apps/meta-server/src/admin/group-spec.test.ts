import { Group, GroupMode, PositionEdge } from '@hermes/contracts';

import { filledGroup, updatedGroup } from './group-spec.js';

/** An error with these fields. */
const failure = (fields: object): Error => expect.objectContaining(fields) as Error;

/** Parts of a group, as `fromPartial` takes them. */
type Fields = object;
const fill = (fields: Fields): Group => filledGroup(Group.fromPartial({ topic: 'orders', name: 'g', ...fields }));

describe('a new group', () => {
  test('gets every default; its retry policy stays the topic’s', () => {
    expect(fill({})).toEqual(
      Group.fromPartial({
        topic: 'orders',
        name: 'g',
        mode: GroupMode.KEY_ORDERED,
        start: { kind: { $case: 'edge', value: PositionEdge.LATEST } },
        ackDeadline: { seconds: 30 },
      }),
    );
  });

  test.each<[string, Fields]>([
    ['group.topic', { topic: '' }],
    ['group.name', { name: 'x'.repeat(201) }],
    ['group.mode', { mode: 4 as never }],
    ['group.start', { start: {} }],
    ['group.start', { start: { kind: { $case: 'shift', value: 1 } } }],
    ['group.start', { start: { kind: { $case: 'offset', value: { partition: 0, lane: 0, offset: 1 } } } }],
    ['group.start.edge', { start: { kind: { $case: 'edge', value: PositionEdge.UNSPECIFIED } } }],
    ['group.start.edge', { start: { kind: { $case: 'edge', value: 7 as never } } }],
    ['group.start.time', { start: { kind: { $case: 'time', value: { seconds: 0, nanos: -1 } } } }],
    ['group.ack_deadline', { ackDeadline: { seconds: 0, nanos: 999_000_000 } }],
    ['group.ack_deadline', { ackDeadline: { seconds: 43_201 } }],
    ['group.filter', { filter: 'x'.repeat(1_025) }],
    ['group.filter', { filter: 'name == "a"' }],
    ['group.retry.max_attempts', { retry: { maxAttempts: 0 } }],
  ])('%s out of bounds is INVALID_FIELD: %j', (field, fields) => {
    expect(() => fill(fields)).toThrow(
      failure({ code: 'INVALID_FIELD', violations: [expect.objectContaining({ field }) as unknown] }),
    );
  });
});

test('an update changes what the mask names; the start is fixed', () => {
  const current = fill({});
  const given = Group.fromPartial({
    topic: 'orders',
    name: 'g',
    paused: true,
    mode: GroupMode.SHARED,
    start: { kind: { $case: 'edge', value: PositionEdge.EARLIEST } },
  });
  expect(updatedGroup(current, given, ['paused', 'mode'])).toEqual({
    ...current,
    paused: true,
    mode: GroupMode.SHARED,
  });
  expect(() => updatedGroup(current, given, ['start'])).toThrow(failure({ code: 'IMMUTABLE_FIELD' }));
});
