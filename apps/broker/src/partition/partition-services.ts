import { type Logger } from '@hermes/kit';
import { type InFlightPool } from '@hermes/delivery';
import { type ByteBudget, type PageCache, type TailCache } from '@hermes/log';
import { type Clock, type Random, type TaskGroup, type Timers } from '@hermes/runtime';
import { type Counters } from '../counters.js';
import { type Turns } from './turns.js';

/** What all partitions of the process share. */
export interface PartitionServices {
  readonly tailCache: TailCache;
  readonly pages: PageCache;
  /** Bytes that wait to be appended, of all lanes. */
  readonly appendBudget: ByteBudget;
  /** Deliveries in flight, of all groups. */
  readonly inFlight: InFlightPool;
  /** Numbers subscriptions, pulls included; never repeats one. */
  readonly nextSubscriptionId: () => number;
  readonly counters: Counters;
  readonly turns: Turns;
  readonly tasks: TaskGroup;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Whether the broker's lease is valid at this moment. */
  readonly isLeased: () => boolean;
}
