import { type Violation } from './check-history.js';
import { groupBy } from './group-by.js';
import { type History, type HistoryEvent, type LoggedRecord } from './history-event.js';

type Lane = Pick<LoggedRecord, 'topic' | 'part' | 'lane'>;

const laneOf = ({ topic, part, lane }: Lane): string => `${topic}/${part}/${lane}`;

/** I1, I3, I4, I5, I7 and I9: publishes against the log. */
export function checkLog(history: History): Violation[] {
  return [...checkPresence(history), ...checkOffsets(history), ...checkProducerOrder(history.log)];
}

/** I1: acknowledged publishes are there. I4: refused ones are not. I3: nothing else is, and it is unchanged. */
function checkPresence({ events, log }: History): Violation[] {
  const publishes = events.filter(({ f }) => f === 'publish');
  const invoked = new Map(publishes.filter(({ type }) => type === 'invoke').map((event) => [event.val, event]));
  const logged = groupBy(
    log.filter(({ val }) => val !== undefined),
    ({ val }) => val ?? '',
  );
  const violations: Violation[] = [];
  for (const { type, val = '', code } of publishes) {
    if (type === 'ok' && !logged.has(val)) {
      violations.push({ invariant: 'I1', message: `${val} was acknowledged and is not in the log` });
    } else if (type === 'fail' && logged.has(val)) {
      violations.push({ invariant: 'I4', message: `${val} was refused (${code ?? '?'}) and is in the log` });
    }
  }
  for (const [val, records] of logged) {
    const source = invoked.get(val);
    if (source === undefined || records.some(({ hash }) => hash !== source.hash)) {
      const message = source === undefined ? `${val} was never published` : `${val} is not what was published`;
      violations.push({ invariant: 'I3', message });
    }
  }
  return violations;
}

/** I5: one value per offset, wherever it was seen. I7: offsets strictly increase, without an unexplained gap. */
function checkOffsets({ events, log }: History): Violation[] {
  const violations: Violation[] = [];
  const seen = [...log, ...events.flatMap(sightingOf)];
  for (const [at, sightings] of groupBy(seen, (one) => `${laneOf(one)}@${one.off}`)) {
    const values = new Set(sightings.map(({ val }) => val ?? '(no message)'));
    if (values.size > 1) {
      violations.push({ invariant: 'I5', message: `${at} has several values: ${[...values].join(', ')}` });
    }
  }
  for (const [lane, records] of groupBy(log, laneOf)) {
    records.forEach(({ off }, i) => {
      const before = records[i - 1]?.off;
      if (before !== undefined && off !== before + 1) {
        const message =
          off <= before ? `${lane}: ${off} follows ${before}` : `${lane}: nothing between ${before} and ${off}`;
        violations.push({ invariant: 'I7', message });
      }
    });
  }
  return violations;
}

/** What an answered publish or a delivery says about an offset. */
function sightingOf(event: HistoryEvent): LoggedRecord[] {
  const { f, type, topic, part, lane = 0, off, val } = event;
  const tells = (f === 'publish' && type === 'ok') || f === 'deliver';
  if (!tells || topic === undefined || part === undefined || off === undefined || val === undefined) {
    return [];
  }
  return [{ topic, part, lane, off, val }];
}

/** I9: what one producer published one after the other stands in that order. */
function checkProducerOrder(log: readonly LoggedRecord[]): Violation[] {
  const violations: Violation[] = [];
  const produced = log.filter(({ pid }) => pid !== undefined);
  for (const [producer, records] of groupBy(produced, (one) => `${laneOf(one)} producer ${one.pid ?? 0}`)) {
    let highest = -1;
    for (const { seq = -1, off } of records) {
      if (seq < highest) {
        violations.push({ invariant: 'I9', message: `${producer}: ${seq} at ${off} stands behind ${highest}` });
      }
      highest = Math.max(highest, seq);
    }
  }
  return violations;
}
