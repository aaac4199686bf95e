import { StoreError } from '@hermes/log';
import { createDeferred, type Deferred } from '@hermes/runtime';

import type { ShardClient, WriteReply } from './shard-client.js';
import type { SessionId, ShardCalls, WriteRequest } from './shard-protocol.js';
import type { StoreTime } from './store-time.js';

type WithoutSession<T> = T extends WriteRequest ? Omit<T, 'id' | 'session'> : never;

/** Calls that name a session. */
type SessionCall = {
  [Name in keyof ShardCalls]: ShardCalls[Name]['arguments'] extends { session: SessionId } ? Name : never;
}[keyof ShardCalls];

export interface PartitionCallsOptions {
  readonly shard: ShardClient;
  readonly session: SessionId;
  readonly topicId: number;
  readonly partition: number;
  readonly stateOnly: boolean;
  readonly time: StoreTime;
}

/** The calls of one open partition: refused once it is closed, and waited for before it is. */
export class PartitionCalls {
  readonly topicId: number;
  readonly partition: number;
  /** There is no log here to be read. */
  readonly stateOnly: boolean;
  readonly #shard: ShardClient;
  readonly #session: SessionId;
  readonly #time: StoreTime;
  #underWay = 0;
  #rest: Deferred<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: PartitionCallsOptions) {
    this.topicId = options.topicId;
    this.partition = options.partition;
    this.stateOnly = options.stateOnly;
    this.#shard = options.shard;
    this.#session = options.session;
    this.#time = options.time;
  }

  nowMs(): number {
    return this.#time.nowMs();
  }

  write(request: WithoutSession<WriteRequest>, transfer: ArrayBuffer[]): Promise<WriteReply> {
    if (this.#closed !== undefined) {
      const error = { kind: 'closed' as const, message: this.#closedMessage(), details: {} };
      return Promise.resolve({ answer: { kind: 'refused', error }, buffer: undefined });
    }
    return this.#track(this.#shard.write({ ...request, session: this.#session }, transfer));
  }

  call<Name extends SessionCall>(
    op: Name,
    args: Omit<ShardCalls[Name]['arguments'], 'session'>,
  ): Promise<ShardCalls[Name]['answer']> {
    if (this.#closed !== undefined) {
      return Promise.reject(new StoreError('closed', this.#closedMessage()));
    }
    const withSession = { ...args, session: this.#session } as unknown as ShardCalls[Name]['arguments'];
    return this.#track(this.#shard.call(op, withSession));
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#underWay > 0) {
      this.#rest = createDeferred();
      await this.#rest.promise;
    }
    await this.#shard.call('release', { session: this.#session }).catch((error: unknown) => {
      // The engine was closed first, and the session with it.
      if (!(error instanceof StoreError && error.kind === 'closed')) {
        throw error;
      }
    });
  }

  #track<T>(answer: Promise<T>): Promise<T> {
    this.#underWay += 1;
    const ended = (): void => {
      this.#underWay -= 1;
      if (this.#underWay === 0) {
        this.#rest?.resolve();
      }
    };
    answer.then(ended, ended);
    return answer;
  }

  #closedMessage(): string {
    return `partition ${this.topicId}/${this.partition} is closed`;
  }
}
