import { type DispatchOrder, type GroupDispatcher } from '@hermes/delivery';
import { type FrameEntry } from '../subscribe/delivery-frame.js';
import { type GroupMembers } from './group-members.js';
import { type GroupReader } from './group-reader.js';
import { type FoundRecord } from './record-finder.js';

/** Records of orders, by order and dispatch. */
type Found = (FoundRecord | undefined)[][];

export interface OrderSenderOptions {
  /** The store's time. */
  readonly timeMs: () => number;
  /** Told how many messages were not sent since they had expired. */
  readonly onExpired: (count: number) => void;
  /** Told how many messages were not sent since nothing has their records any more. */
  readonly onLost: (lane: number, count: number) => void;
}

/** Sends what a group's dispatcher gave out: finds the records and hands them to the members' streams, in order. */
export class OrderSender {
  readonly #dispatcher: GroupDispatcher;
  readonly #members: GroupMembers;
  readonly #reader: GroupReader;
  readonly #options: OrderSenderOptions;

  constructor(dispatcher: GroupDispatcher, members: GroupMembers, reader: GroupReader, options: OrderSenderOptions) {
    this.#dispatcher = dispatcher;
    this.#members = members;
    this.#reader = reader;
    this.#options = options;
  }

  /** Sends at once if the records are in memory, else after they are read. */
  send(orders: readonly DispatchOrder[]): void {
    const found = orders.map(({ dispatches }) => dispatches.map(({ lane, offset }) => this.#reader.find(lane, offset)));
    if (!found.some((records) => records.includes(undefined))) {
      this.#push(orders, found);
      return;
    }
    this.#reader.load(
      () => this.#readMissing(orders, found),
      () => {
        this.#push(orders, found);
      },
    );
  }

  async #readMissing(orders: readonly DispatchOrder[], found: Found): Promise<void> {
    for (const [nth, { dispatches }] of orders.entries()) {
      const records = found[nth] ?? [];
      for (const [index, { lane, offset }] of dispatches.entries()) {
        records[index] ??= await this.#reader.readOne(lane, offset);
      }
    }
  }

  #push(orders: readonly DispatchOrder[], found: Found): void {
    orders.forEach((order, nth) => {
      const member = this.#members.get(order.subscriptionId);
      member?.push(this.#entries(order, found[nth] ?? []), this.#dispatcher.fencingToken);
      if (member?.isWritable === false) {
        this.#dispatcher.setWritable(order.subscriptionId, false);
      }
    });
  }

  #entries({ dispatches }: DispatchOrder, records: readonly (FoundRecord | undefined)[]): FrameEntry[] {
    const entries: FrameEntry[] = [];
    const timeMs = this.#options.timeMs();
    dispatches.forEach((dispatch, index) => {
      const record = records[index];
      const { lane, offset, redelivered } = dispatch;
      if (record === undefined) {
        this.#dispatcher.lose(lane, offset);
        this.#options.onLost(lane, 1);
        return;
      }
      if (dispatch.mayExpire && record.block.isExpired(record.index, timeMs)) {
        this.#dispatcher.expire(lane, offset);
        this.#options.onExpired(1);
        return;
      }
      if (redelivered) {
        // A stored retry is counted with its size once that is known.
        this.#dispatcher.resize(lane, offset, record.block.bytes(record.index));
      }
      entries.push({ dispatch, record });
    });
    return entries;
  }
}
