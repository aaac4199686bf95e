import { type Violation } from './check-history.js';
import { groupBy } from './group-by.js';
import { type History, type HistoryEvent } from './history-event.js';

const partitionOf = ({ topic = '', part = 0, lane = 0, group = '' }: HistoryEvent): string =>
  `${group} of ${topic}/${part}/${lane}`;
const messageOf = (event: HistoryEvent): string => `${partitionOf(event)}@${event.off ?? -1}`;

/** I1, I3, I12, I14, I15 and I20: what groups were delivered. */
export function checkDelivery(history: History, orderedGroups: ReadonlySet<string>): Violation[] {
  const deliveries = history.events.filter(({ f }) => f === 'deliver');
  const settled = history.events.filter(({ f, type }) => (f === 'ack' || f === 'nack') && type === 'ok');
  const settlesOf = groupBy(settled, ({ did = '' }) => did);
  const ordered = deliveries.filter(({ group = '' }) => orderedGroups.has(group));
  return [
    ...checkDrained(history, deliveries),
    ...checkPublished(history, deliveries),
    ...[...groupBy(ordered, partitionOf)].flatMap(([name, list]) => checkOrder(name, list)),
    ...[...groupBy(deliveries, messageOf)].flatMap(([name, list]) => checkMessage(name, list, settlesOf)),
  ];
}

/** I1: a drained group was delivered everything that was acknowledged. */
function checkDrained({ events, drainedGroups }: History, deliveries: readonly HistoryEvent[]): Violation[] {
  const published = events.filter(({ f, type }) => f === 'publish' && type === 'ok');
  return drainedGroups.flatMap(({ topic, group }) => {
    const seen = new Set(deliveries.filter((one) => one.topic === topic && one.group === group).map(({ val }) => val));
    const lost = published.filter((one) => one.topic === topic && !seen.has(one.val));
    return lost.map(({ val = '' }) => ({
      invariant: 'I1',
      message: `${val} was never delivered to ${group} of ${topic}`,
    }));
  });
}

/** I3: nothing is delivered that was not published, or not as it was. */
function checkPublished({ events }: History, deliveries: readonly HistoryEvent[]): Violation[] {
  const invoked = events.filter(({ f, type }) => f === 'publish' && type === 'invoke');
  const hashes = new Map(invoked.map(({ val, hash }) => [val, hash]));
  const wrong = deliveries.filter(({ val, hash }) => !hashes.has(val) || hashes.get(val) !== hash);
  return wrong.map((one) => ({
    invariant: 'I3',
    message: `${messageOf(one)}: ${one.val ?? '?'} was not published so`,
  }));
}

/** I12: first deliveries of an ordered group come in the order of offsets. */
function checkOrder(name: string, deliveries: readonly HistoryEvent[]): Violation[] {
  const violations: Violation[] = [];
  const seen = new Set<number>();
  let highest = -1;
  for (const { off = -1 } of deliveries) {
    if (!seen.has(off) && off < highest) {
      violations.push({ invariant: 'I12', message: `${name}: first delivery of ${off} after ${highest}` });
    }
    seen.add(off);
    highest = Math.max(highest, off);
  }
  return violations;
}

/** I14, I15 and I20: the deliveries of one message to one group. */
function checkMessage(
  name: string,
  deliveries: readonly HistoryEvent[],
  settlesOf: ReadonlyMap<string, readonly HistoryEvent[]>,
): Violation[] {
  const violations: Violation[] = [];
  deliveries.forEach((delivery, i) => {
    const before = deliveries[i - 1];
    if (before === undefined) {
      return;
    }
    const settles = settlesOf.get(before.did ?? '') ?? [];
    if (settles.some(({ f, stamp, t }) => f === 'ack' && (stamp ?? t) < (delivery.stamp ?? delivery.t))) {
      violations.push({ invariant: 'I15', message: `${name} came again after its ack` });
    }
    const over = settles.length > 0 || (before.until ?? 0) <= (delivery.stamp ?? delivery.t);
    if (!over && delivery.redelivered !== true) {
      violations.push({ invariant: 'I14', message: `${name} came again while it was in flight` });
    }
    violations.push(...checkAttempt(name, before, delivery));
  });
  return violations;
}

/** I20: the next attempt, or the same one when a consumer or broker was lost and the delivery says so. */
function checkAttempt(name: string, before: HistoryEvent, delivery: HistoryEvent): Violation[] {
  const [last, next] = [before.attempt ?? 1, delivery.attempt ?? 1];
  const same = next === last && delivery.redelivered === true;
  return next === last + 1 || same ? [] : [{ invariant: 'I20', message: `${name}: attempt ${next} follows ${last}` }];
}
