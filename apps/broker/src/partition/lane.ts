import { type HermesError } from '@hermes/contracts';
import { type Appender, type MessageLog, type TailLane } from '@hermes/log';

/** One lane of an open partition. */
export interface Lane {
  readonly number: number;
  readonly log: MessageLog;
  readonly appender: Appender;
  readonly tail: TailLane;
  /** How ids of its messages begin: `orders/3/0/`. */
  readonly idPrefix: Buffer;
  /** Adds what the partition knows to the error of a failed append: the owner's endpoint, if it is another one now. */
  explain(error: HermesError): HermesError;
}
