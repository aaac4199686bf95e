import { type HermesError, LIMITS } from '@hermes/contracts';
import {
  DELIVERY_OVERHEAD_BYTES_MAX,
  encodeDeliveryFrame,
  type FrameEntry,
  type FrameSource,
} from '../subscribe/delivery-frame.js';
import { type Attachment, type Subscription } from '../subscribe/subscription.js';

/** Deliveries of one frame, whatever their size. */
const FRAME_DELIVERIES_MAX = 1_000;

/** What a member tells its pump. */
export interface MemberEvents {
  /** It takes deliveries again, or does not. */
  writable(member: GroupMember, isWritable: boolean): void;
  /** Its consumer is out of reach, and it keeps what it holds. */
  held(member: GroupMember): void;
  /** It wants nothing more. */
  released(member: GroupMember): void;
  /** Its consumer is lost. */
  lost(member: GroupMember): void;
  /** It wants nothing more, and keeps what it holds. */
  retired(member: GroupMember): void;
  /** There may be something to do for it. */
  wake(): void;
}

/**
 * One subscription as one group in one partition sees it. Deliveries that were taken for it wait here, as views, until
 * its stream takes them: at most its credit, and nothing new is taken meanwhile.
 */
export class GroupMember implements Attachment {
  readonly subscription: Subscription;
  readonly consumerEpoch: number;
  /** The epoch that its receipts carry; 0 unless the group is EXCLUSIVE. */
  readonly receiptEpoch: number;
  readonly isPull: boolean;
  /** What its consumer had at the owner before is its own again. */
  hasInherited = false;
  readonly #partition: number;
  #receiptTag: Uint8Array;
  readonly #events: MemberEvents;
  #waiting: FrameEntry[] = [];
  #sent = 0;
  #fencingToken = 0;
  #ackDeadlineMs: number;
  /** True from when its stream broke until it is `reopened`. */
  #isHeld = false;
  /** Its consumer is back, or never was away. */
  #isBack = true;
  /** While it is held: what it was given from this delivery number on did not reach its consumer. */
  #lostFrom = Number.POSITIVE_INFINITY;
  #gone = false;

  constructor(options: {
    readonly subscription: Subscription;
    readonly partition: number;
    readonly consumerEpoch: number;
    readonly receiptEpoch: number;
    readonly receiptTag: Uint8Array;
    readonly ackDeadlineMs: number;
    readonly isPull: boolean;
    readonly events: MemberEvents;
  }) {
    this.subscription = options.subscription;
    this.consumerEpoch = options.consumerEpoch;
    this.#partition = options.partition;
    this.receiptEpoch = options.receiptEpoch;
    this.#ackDeadlineMs = options.ackDeadlineMs;
    this.isPull = options.isPull;
    this.#receiptTag = options.receiptTag;
    this.#events = options.events;
  }

  get id(): number {
    return this.subscription.id;
  }

  /** Time to settle of what it gets. */
  get ackDeadlineMs(): number {
    return this.#ackDeadlineMs;
  }

  /** Whether its consumer is out of reach. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Whether more may be taken for it. */
  get isWritable(): boolean {
    return !this.#gone && !this.#isHeld && this.#waiting.length === 0 && this.subscription.isWritable;
  }

  /** Sends deliveries in order, now or as the stream takes them. */
  push(entries: readonly FrameEntry[], fencingToken: number): void {
    if (this.#gone || entries.length === 0) {
      return;
    }
    if (this.#isHeld) {
      this.#miss(entries[0]);
      return;
    }
    this.#fencingToken = fencingToken;
    this.#waiting = this.#waiting.length === 0 ? [...entries] : [...this.#waiting, ...entries];
    this.#flush();
  }

  writable(isWritable: boolean): void {
    if (isWritable) {
      this.#flush();
    }
    this.#events.writable(this, this.isWritable);
  }

  hold(): void {
    this.#isHeld = true;
    this.#isBack = false;
    this.#miss(this.#waiting[this.#sent]);
    this.#dropWaiting();
    this.#events.held(this);
  }

  resume({ lostFrom, ackDeadlineMs }: { readonly lostFrom: number; readonly ackDeadlineMs: number }): void {
    this.#ackDeadlineMs = ackDeadlineMs;
    this.#lostFrom = Math.min(this.#lostFrom, lostFrom);
    this.#isBack = true;
    this.#events.wake();
  }

  /**
   * Ends the hold if its consumer is back and its stream takes frames; gives the number from which on deliveries have
   * to be sent again. Not while some are on their way to `push`.
   */
  reopen(): number | undefined {
    if (!this.#isHeld || !this.#isBack || !this.subscription.isWritable) {
      return undefined;
    }
    const lostFrom = this.#lostFrom;
    this.#isHeld = false;
    this.#lostFrom = Number.POSITIVE_INFINITY;
    return lostFrom;
  }

  /** In which batch its deliveries were sent, by growing numbers: one above the last for what was not. */
  batches(): (deliveryNo: number) => number {
    const batchOf = this.subscription.batchesOf(this.#partition);
    const unsentFrom = Math.min(this.#lostFrom, this.#waiting[this.#sent]?.dispatch.deliveryNo ?? this.#lostFrom);
    return (deliveryNo) => (deliveryNo >= unsentFrom ? this.subscription.lastBatch + 1 : batchOf(deliveryNo));
  }

  /** What it was to get is void; its receipts have another tag from now on. */
  restart(receiptTag: Uint8Array): void {
    this.#receiptTag = receiptTag;
    this.#dropWaiting();
  }

  creditFreed(): void {
    this.#events.wake();
  }

  release(): void {
    if (!this.#gone) {
      this.#gone = true;
      this.#dropWaiting();
      this.#events.released(this);
    }
  }

  lose(): void {
    if (!this.#gone) {
      this.#gone = true;
      this.#dropWaiting();
      this.#events.lost(this);
    }
  }

  retire(): void {
    if (!this.#gone) {
      this.#gone = true;
      this.#events.retired(this);
    }
  }

  /** Gives up before anything was delivered: its claim could not be stored. */
  abandon(error: HermesError): void {
    this.release();
    this.subscription.leave(this.#partition, this, error);
  }

  /** Nothing more from this partition on that stream, which ends with `error` if this was its last one. */
  leave(error: HermesError): void {
    this.#gone = true;
    this.#dropWaiting();
    this.subscription.leave(this.#partition, this, error);
  }

  #flush(): void {
    const source: FrameSource = {
      partition: this.#partition,
      consumerEpoch: this.receiptEpoch,
      fencingToken: this.#fencingToken,
      receiptTag: this.#receiptTag,
    };
    while (this.#sent < this.#waiting.length && this.subscription.isWritable) {
      const frame = this.#waiting.slice(this.#sent, this.#frameEnd());
      this.#sent += frame.length;
      const batch = this.subscription.nextBatch(this.#partition, frame[0]?.dispatch.deliveryNo ?? 0);
      this.subscription.send(encodeDeliveryFrame(source, batch, frame));
    }
    if (this.#sent >= this.#waiting.length) {
      this.#dropWaiting();
    }
  }

  #dropWaiting(): void {
    this.#waiting = [];
    this.#sent = 0;
  }

  /** A delivery, and so all later ones, does not reach the consumer. */
  #miss(entry: FrameEntry | undefined): void {
    this.#lostFrom = Math.min(this.#lostFrom, entry?.dispatch.deliveryNo ?? this.#lostFrom);
  }

  /** Where the next frame ends: at the limit in bytes, but never before its first delivery. */
  #frameEnd(): number {
    let bytes = 0;
    let end = this.#sent;
    while (end < this.#waiting.length && end - this.#sent < FRAME_DELIVERIES_MAX) {
      const entry = this.#waiting[end];
      bytes += DELIVERY_OVERHEAD_BYTES_MAX + (entry?.record.block.bytes(entry.record.index) ?? 0);
      if (bytes > LIMITS.frameBytes && end > this.#sent) {
        break;
      }
      end += 1;
    }
    return end;
  }
}
