import { type HermesError } from '@hermes/contracts';
import { failureOf, outcomeUnknown, wasNeverSent } from './failure.js';

/** Where an unanswered frame stood in its stream. */
export interface UnansweredPlace {
  /** No frame before it is unanswered: a refusal that ended the stream is its answer. */
  readonly isFirst: boolean;
  /** All of the stream goes to one lane: after a refusal nothing later of it was stored. */
  readonly isOneLane: boolean;
}

/**
 * The outcome of a frame whose stream ended, by `error` or in good order, before its answer came. Undefined: it
 * certainly was not stored and may be sent again.
 */
export function outcomeOfUnanswered(
  error: HermesError | undefined,
  { isFirst, isOneLane }: UnansweredPlace,
): HermesError | undefined {
  if (error === undefined) {
    return outcomeUnknown(undefined);
  }
  switch (failureOf(error)) {
    case 'final':
      return isFirst ? error : undefined;
    case 'unknown':
      return outcomeUnknown(error);
    case 'later':
    case 'elsewhere':
      // A server that drains has answered all that it read.
      return isOneLane || error.code === 'DRAINING' || wasNeverSent(error) ? undefined : outcomeUnknown(error);
  }
}
