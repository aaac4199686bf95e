import { type ConsumerGroup } from './consumer-group.js';
import { type SessionId } from './lease.js';

/** One stream of consumers and its lease. */
export interface ConsumerStream {
  readonly session: SessionId;
  /** False once it has ended; its consumers stay until `untilMs`. */
  open: boolean;
  untilMs: number;
  readonly members: Map<number, Consumer>;
}

/** One consumer of one group. */
export interface Consumer {
  readonly name: string;
  readonly group: ConsumerGroup;
  readonly stream: ConsumerStream;
  readonly member: number;
  readonly zone: string;
  readonly maxPartitions: number;
  /** Its consumer_epoch where partitions are shared; 0 in EXCLUSIVE groups. */
  epoch: number;
  /** What it has where partitions are shared. */
  partitions: Set<number>;
  /** Its assignments changed since it was told. */
  dirty: boolean;
  /** It may believe that it holds something: it said so when it came, or was told so last. */
  believes: boolean;
}
