import { notImplemented } from '@hermes/contracts';
import { type Call } from './handlers.js';

/** Stands for a message's idempotency_key; ignoring it would break a promise that its sender relies on. */
const IDEMPOTENCY_KEY = 'idempotency-key';

/** Throws the NOT_IMPLEMENTED of a publish whose metadata ask for what a later release brings. */
export function refuseLaterMetadata({ metadata }: Call): void {
  if (metadata.get(IDEMPOTENCY_KEY).length > 0) {
    throw notImplemented(`metadata ${IDEMPOTENCY_KEY}`);
  }
}
