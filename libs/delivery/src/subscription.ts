import type { Credit } from './credit.js';
import type { Entry } from './entry.js';
import { HeldList } from './held-list.js';

/** What a consumer asks for when it subscribes to a partition. */
export interface SubscriptionRequest {
  /** Names the stream; unique within the process. */
  readonly id: number;
  readonly consumer: string;
  /** EXCLUSIVE: the epoch of the consumer's lease; 0 in other modes. */
  readonly consumerEpoch: number;
  readonly ackDeadlineMs: number;
  /** Shared by all partitions of the stream. */
  readonly credit: Credit;
}

/** One open stream, as far as this partition and group are concerned. */
export class Subscription {
  readonly id: number;
  readonly consumer: string;
  readonly consumerEpoch: number;
  ackDeadlineMs: number;
  readonly credit: Credit;
  /** Deadline of the last of `inFlight`. */
  lastDeadlineMs = 0;
  /** False while the stream's socket is full: nothing is taken for it. */
  writable = true;
  /** True while its consumer is out of reach: see `hold`. */
  onHold = false;
  /** Deliveries from this number on did not reach it, and come again before anything new; undefined if all did. */
  lostFrom: number | undefined;
  /** Its messages were handed over by an earlier owner: its consumer is not lost if it does not come for them. */
  inherits = false;
  /** True once it gets nothing more and only holds what it has: see `retire`. */
  retired = false;
  /** EXCLUSIVE: true once its epoch and token are committed. */
  admitted: boolean;
  /** What it holds of this partition, in the order of delivery, which is also that of the deadlines. */
  readonly inFlight = new HeldList();
  /** What it holds beyond its first deadline. */
  readonly extended = new HeldList();

  constructor(request: SubscriptionRequest, admitted: boolean) {
    this.id = request.id;
    this.consumer = request.consumer;
    this.consumerEpoch = request.consumerEpoch;
    this.ackDeadlineMs = request.ackDeadlineMs;
    this.credit = request.credit;
    this.admitted = admitted;
  }

  /** Number of messages of this partition that it holds. */
  get held(): number {
    return this.inFlight.size + this.extended.size;
  }

  /** The messages that it holds, by delivery number. */
  get holding(): Entry[] {
    return [...this.inFlight, ...this.extended].sort((a, b) => a.deliveryNo - b.deliveryNo);
  }

  /** Whether frames can be sent to it. */
  get isReachable(): boolean {
    return this.writable && !this.onHold;
  }

  /** Whether new messages may be sent to it, as far as its credit allows. */
  get isOpen(): boolean {
    return this.isReachable && this.admitted;
  }

  /** True if a new message of so many bytes may be sent to it now. */
  takes(bytes: number): boolean {
    return this.isOpen && this.credit.fits(bytes);
  }
}
