import { HermesError, type Resume } from '@hermes/contracts';
import { type GroupDispatcher, type Now } from '@hermes/delivery';
import { type GroupSettings } from '../catalog/settings.js';
import { type Subscription } from '../subscribe/subscription.js';
import { GroupMember, type MemberEvents } from './group-member.js';
import { type Partition } from './partition.js';

/** What a stream asks of one group in one partition. */
export interface JoinRequest {
  readonly subscription: Subscription;
  readonly consumerEpoch: number;
  readonly ackDeadlineMs: number;
  /** What its consumer had before, perhaps at another owner. */
  readonly resume?: Resume | undefined;
  /** Pulls of one consumer may run beside each other. */
  readonly isPull: boolean;
}

/** The streams that a group delivers to in one partition. The newer one of a consumer takes it from its older one. */
export class GroupMembers implements Iterable<GroupMember> {
  readonly #partition: Partition;
  readonly #now: () => Now;
  readonly #wake: () => void;
  readonly #events: MemberEvents;
  readonly #members = new Map<number, GroupMember>();
  #dispatcher!: GroupDispatcher;
  #generation = 0;

  /** `wake` is called when there may be more to deliver. */
  constructor(partition: Partition, now: () => Now, wake: () => void) {
    this.#partition = partition;
    this.#now = now;
    this.#wake = wake;
    this.#events = {
      writable: (member, isWritable) => {
        this.#dispatcher.setWritable(member.id, isWritable);
        wake();
      },
      held: (member) => {
        this.#dispatcher.hold(member.id);
      },
      released: (member) => {
        this.#dispatcher.resume(member.id, Number.POSITIVE_INFINITY);
        this.#remove(member);
      },
      lost: (member) => {
        this.#dispatcher.hold(member.id);
        this.#remove(member);
      },
      retired: (member) => {
        this.#members.delete(member.id);
        this.#dispatcher.retire(member.id);
        wake();
      },
      wake,
    };
  }

  /** From now on streams get what this dispatcher gives. Those that are there hold nothing any more. */
  bind(dispatcher: GroupDispatcher, group: GroupSettings, generation: number): void {
    this.#dispatcher = dispatcher;
    this.#generation = generation;
    for (const member of this) {
      const { subscription, receiptEpoch, ackDeadlineMs } = member;
      const { id, consumer, credit } = subscription;
      dispatcher.subscribe({ id, consumer, consumerEpoch: receiptEpoch, ackDeadlineMs, credit }, this.#now());
      member.restart(this.#tag(group, consumer, receiptEpoch));
      dispatcher.setWritable(id, member.isWritable);
      if (member.isHeld) {
        dispatcher.hold(id);
      }
    }
  }

  /** Goes on with those whose consumers are back: what was lost on its way comes first. */
  reopen(): void {
    for (const member of this) {
      const lostFrom = member.reopen();
      if (lostFrom !== undefined) {
        this.#dispatcher.setAckDeadline(member.id, member.ackDeadlineMs);
        this.#dispatcher.resume(member.id, lostFrom);
        this.#dispatcher.setWritable(member.id, member.isWritable);
      }
    }
  }

  get size(): number {
    return this.#members.size;
  }

  get(subscriptionId: number): GroupMember | undefined {
    return this.#members.get(subscriptionId);
  }

  [Symbol.iterator](): Iterator<GroupMember> {
    return this.#members.values();
  }

  /** Adds a stream, which gets nothing before it is writable. Throws FENCED if the consumer has a newer one. */
  join(group: GroupSettings, { subscription, consumerEpoch, ackDeadlineMs, isPull }: JoinRequest): GroupMember {
    const { id, consumer, credit } = subscription;
    const isRival = (member: GroupMember): boolean =>
      member.subscription.consumer === consumer && !(isPull && member.isPull);
    const rivals = [...this].filter(isRival);
    const newer = rivals.find((rival) => rival.consumerEpoch > consumerEpoch);
    if (newer !== undefined) {
      throw fenced(newer.consumerEpoch);
    }
    // In the other modes the epoch only tells a consumer's newer stream from its older one: receipts are without it.
    const receiptEpoch = group.mode === 'exclusive' ? consumerEpoch : 0;
    const request = { id, consumer, consumerEpoch: receiptEpoch, ackDeadlineMs, credit };
    const outcome = this.#dispatcher.subscribe(request, this.#now());
    if (outcome.kind === 'fenced') {
      throw fenced(outcome.consumerEpoch);
    }
    this.#dispatcher.setWritable(id, false);
    const older = outcome.fenced.flatMap((each) => this.#members.get(each) ?? []);
    for (const rival of new Set([...rivals, ...older])) {
      this.#remove(rival);
      rival.leave(fenced(consumerEpoch));
    }
    const member = new GroupMember({
      subscription,
      partition: this.#partition.number,
      consumerEpoch,
      receiptEpoch,
      receiptTag: this.#tag(group, consumer, receiptEpoch),
      ackDeadlineMs,
      isPull,
      events: this.#events,
    });
    this.#members.set(id, member);
    return member;
  }

  /** Ends every stream's part in the partition. */
  leave(reason: HermesError): void {
    const members = [...this];
    this.#members.clear();
    for (const member of members) {
      member.leave(reason);
    }
  }

  /** Ends the streams themselves. */
  end(failure: HermesError): void {
    for (const member of [...this]) {
      this.#remove(member);
      member.subscription.end(failure);
    }
  }

  #tag({ id: groupId }: GroupSettings, consumer: string, consumerEpoch: number): Buffer {
    return this.#partition.receipts.tag({ groupId, generation: this.#generation, consumer, consumerEpoch });
  }

  #remove(member: GroupMember): void {
    if (this.#members.get(member.id) === member) {
      this.#members.delete(member.id);
      this.#dispatcher.unsubscribe(member.id, this.#now());
      this.#wake();
    }
  }
}

function fenced(epoch: number): HermesError {
  return new HermesError('FENCED', 'a newer subscription of this consumer has taken the partition', {
    details: { epoch: String(epoch) },
  });
}
