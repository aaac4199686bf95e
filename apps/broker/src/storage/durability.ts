import { Durability } from '@hermes/contracts';
import { type StorageCapabilities } from '@hermes/log';

const DURABILITIES = {
  durable: Durability.DURABLE,
  replicated: Durability.REPLICATED,
  buffered: Durability.BUFFERED,
} as const;

/** The more a message survives, the higher. */
const RANKS: Readonly<Record<Durability, number>> = {
  [Durability.UNSPECIFIED]: 0,
  [Durability.BUFFERED]: 1,
  [Durability.DURABLE]: 2,
  [Durability.REPLICATED]: 3,
};

/** What a message has reached that was acknowledged by such storage. */
export function durabilityOf(durability: StorageCapabilities['durability']): Durability {
  return DURABILITIES[durability];
}

/** Whether storage that gives `durability` may take messages that need `required`. */
export function isDurableEnough(durability: Durability, required: Durability): boolean {
  return RANKS[durability] >= RANKS[required];
}
