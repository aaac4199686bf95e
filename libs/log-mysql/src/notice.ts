import type { ServerFacts } from './server-facts.js';

/** Something that an operator should hear of; the engine itself has dealt with it. */
export type MysqlNotice =
  /** Offsets that were acknowledged or settled are gone: a hole of `count` was closed with fence records. */
  | {
      readonly kind: 'recordsLost';
      readonly topicId: number;
      readonly partition: number;
      readonly lane: number;
      readonly from: number;
      readonly count: number;
    }
  /** Another server, or a restored one, answers: all partitions were closed and must be opened at a new epoch. */
  | { readonly kind: 'serverChanged'; readonly facts: ServerFacts }
  /** The server flushes or replicates otherwise than before. */
  | { readonly kind: 'durabilityChanged'; readonly facts: ServerFacts }
  /** Work in the background failed; it is tried again when it is due. */
  | { readonly kind: 'taskFailed'; readonly task: string; readonly error: unknown };

/** Must not throw. */
export type NoticeListener = (notice: MysqlNotice) => void;
