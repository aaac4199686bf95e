import { checkDelivery } from './check-delivery.js';
import { checkLog } from './check-log.js';
import { type History } from './history-event.js';

/** A fact of the history that breaks an invariant. */
export interface Violation {
  /** I1 … I20: the invariant's number. */
  readonly invariant: string;
  readonly message: string;
}

/** What a run shows. `unknown`: it was not drained, or proves nothing; never to be taken for a pass. */
export interface Verdict {
  readonly verdict: 'pass' | 'fail' | 'unknown';
  readonly violations: readonly Violation[];
  /** Publishes with an unknown outcome that were found in the log after all. */
  readonly recovered: number;
}

/** Judges a run by the invariants I1, I3, I4, I5, I7, I9, I12, I14, I15 and I20. Ordered groups are checked for I12. */
export function checkHistory(history: History, options: { orderedGroups?: readonly string[] } = {}): Verdict {
  const ordered = new Set(options.orderedGroups ?? []);
  const violations = [...checkLog(history), ...checkDelivery(history, ordered)];
  const logged = new Set(history.log.map(({ val }) => val));
  const unknown = history.events.filter(({ f, type }) => f === 'publish' && type === 'info');
  const recovered = unknown.filter(({ val }) => val !== undefined && logged.has(val)).length;
  const published = history.events.some(({ f, type }) => f === 'publish' && type === 'ok');
  const meaningful = published && history.drainedGroups.length > 0;
  const verdict = violations.length > 0 ? 'fail' : meaningful ? 'pass' : 'unknown';
  return { verdict, violations, recovered };
}
