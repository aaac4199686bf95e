import { type HermesError, LIMITS } from '@hermes/contracts';
import { type Credit } from '@hermes/delivery';
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
  /** Its stream has ended. */
  detached(member: GroupMember): void;
  /** Its stream has ended, and it keeps what it holds. */
  retired(member: GroupMember): void;
  /** Credit of its stream came back, by another partition. */
  creditFreed(): void;
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
  readonly ackDeadlineMs: number;
  readonly credit: Credit;
  readonly isPull: boolean;
  readonly #partition: number;
  #receiptTag: Uint8Array;
  readonly #events: MemberEvents;
  #waiting: FrameEntry[] = [];
  #sent = 0;
  #fencingToken = 0;
  #gone = false;

  constructor(options: {
    readonly subscription: Subscription;
    readonly partition: number;
    readonly consumerEpoch: number;
    readonly receiptEpoch: number;
    readonly receiptTag: Uint8Array;
    readonly ackDeadlineMs: number;
    readonly credit: Credit;
    readonly isPull: boolean;
    readonly events: MemberEvents;
  }) {
    this.subscription = options.subscription;
    this.consumerEpoch = options.consumerEpoch;
    this.#partition = options.partition;
    this.receiptEpoch = options.receiptEpoch;
    this.ackDeadlineMs = options.ackDeadlineMs;
    this.credit = options.credit;
    this.isPull = options.isPull;
    this.#receiptTag = options.receiptTag;
    this.#events = options.events;
  }

  get id(): number {
    return this.subscription.id;
  }

  /** Whether more may be taken for it. */
  get isWritable(): boolean {
    return !this.#gone && this.#waiting.length === 0 && this.subscription.isWritable;
  }

  /** Sends deliveries in order, now or as the stream takes them. */
  push(entries: readonly FrameEntry[], fencingToken: number): void {
    if (this.#gone || entries.length === 0) {
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

  /** What it was to get is void; its receipts have another tag from now on. */
  restart(receiptTag: Uint8Array): void {
    this.#receiptTag = receiptTag;
    this.#waiting = [];
    this.#sent = 0;
  }

  creditFreed(): void {
    this.#events.creditFreed();
  }

  detach(): void {
    if (!this.#gone) {
      this.#gone = true;
      this.#waiting = [];
      this.#events.detached(this);
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
    this.detach();
    this.subscription.lose(this.#partition, this, error);
  }

  /** Nothing more from this partition on that stream, which ends with `error` if this was its last one. */
  leave(error: HermesError): void {
    this.#gone = true;
    this.#waiting = [];
    this.subscription.lose(this.#partition, this, error);
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
      this.subscription.send(encodeDeliveryFrame(source, this.subscription.nextSequence(), frame));
    }
    if (this.#sent >= this.#waiting.length) {
      this.#waiting = [];
      this.#sent = 0;
    }
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
