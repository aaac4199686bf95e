import { HermesError } from '@hermes/contracts';
import { type Credit, type GroupDispatcher } from '@hermes/delivery';
import { type GroupSettings } from '../catalog/settings.js';
import { type Subscription } from '../subscribe/subscription.js';
import { GroupMember, type MemberEvents } from './group-member.js';
import { type Partition } from './partition.js';

/** What a stream asks of one group in one partition. */
export interface JoinRequest {
  readonly subscription: Subscription;
  readonly consumerEpoch: number;
  readonly ackDeadlineMs: number;
  readonly credit: Credit;
  /** Pulls of one consumer may run beside each other. */
  readonly isPull: boolean;
}

/** The streams that a group delivers to in one partition. The newer one of a consumer takes it from its older one. */
export class GroupMembers implements Iterable<GroupMember> {
  readonly #partition: Partition;
  readonly #wake: () => void;
  readonly #events: MemberEvents;
  readonly #members = new Map<number, GroupMember>();
  #dispatcher!: GroupDispatcher;
  #generation = 0;

  /** `wake` is called when there may be more to deliver. */
  constructor(partition: Partition, wake: () => void) {
    this.#partition = partition;
    this.#wake = wake;
    this.#events = {
      writable: (member, isWritable) => {
        this.#dispatcher.setWritable(member.id, isWritable);
        wake();
      },
      detached: (member) => {
        this.#remove(member);
      },
      retired: (member) => {
        this.#members.delete(member.id);
        this.#dispatcher.retire(member.id);
        wake();
      },
      creditFreed: wake,
    };
  }

  /** From now on streams get what this dispatcher gives. Those that are there hold nothing any more. */
  bind(dispatcher: GroupDispatcher, group: GroupSettings, generation: number): void {
    this.#dispatcher = dispatcher;
    this.#generation = generation;
    for (const member of this) {
      const { subscription, receiptEpoch, ackDeadlineMs, credit } = member;
      const { id, consumer } = subscription;
      dispatcher.subscribe({ id, consumer, consumerEpoch: receiptEpoch, ackDeadlineMs, credit });
      member.restart(this.#tag(group, consumer, receiptEpoch));
      dispatcher.setWritable(id, member.isWritable);
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
  join(group: GroupSettings, { subscription, consumerEpoch, ackDeadlineMs, credit, isPull }: JoinRequest): GroupMember {
    const { id, consumer } = subscription;
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
    const outcome = this.#dispatcher.subscribe(request);
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
      credit,
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
      this.#dispatcher.unsubscribe(member.id);
      this.#wake();
    }
  }
}

function fenced(epoch: number): HermesError {
  return new HermesError('FENCED', 'a newer subscription of this consumer has taken the partition', {
    details: { epoch: String(epoch) },
  });
}
