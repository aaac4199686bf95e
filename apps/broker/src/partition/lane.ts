import { type Durability } from '@hermes/contracts';
import { type Appender, type MessageLog, type TailLane } from '@hermes/log';

/** One lane of an open partition. */
export interface Lane {
  readonly number: number;
  readonly log: MessageLog;
  readonly appender: Appender;
  readonly tail: TailLane;
  /** How ids of its messages begin: `orders/3/0/`. */
  readonly idPrefix: Buffer;
  /** What an acknowledged message has reached, as far as it is known now. */
  readonly durability: () => Durability;
}

/** One above the last record that is there now, whoever has appended it. Rejects with StoreError. */
export async function endOf(log: MessageLog): Promise<number> {
  await log.findEnd?.();
  return log.nextOffset;
}
