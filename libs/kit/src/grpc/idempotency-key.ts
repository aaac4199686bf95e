import { invalidField, LIMITS, type RawPublishRequest, withIdempotencyKeyField } from '@hermes/contracts';
import { type Call } from './handlers.js';

const NAME = 'idempotency-key';

/**
 * The request with the idempotency key of the call's metadata, if there is one, as its message's, in
 * place of one that the message has.
 */
export function withIdempotencyKey(request: RawPublishRequest, call: Pick<Call, 'metadata'>): RawPublishRequest {
  const [key, ...others] = call.metadata.get(NAME);
  if (key === undefined) {
    return request;
  }
  const [message] = request.messages;
  if (message === undefined || request.messages.length > 1 || others.length > 0) {
    throw invalidField(`metadata ${NAME}`, 'one, for one message');
  }
  const bytes = Buffer.from(key);
  if (bytes.length === 0 || bytes.length > LIMITS.idempotencyKeyBytes) {
    throw invalidField(`metadata ${NAME}`, `1 to ${LIMITS.idempotencyKeyBytes} bytes`);
  }
  return { ...request, messages: [withIdempotencyKeyField(message, bytes)] };
}

/** A stream has many messages: a key in its metadata would be passed over. */
export function refuseIdempotencyKey({ metadata }: Pick<Call, 'metadata'>): void {
  if (metadata.get(NAME).length > 0) {
    throw invalidField(`metadata ${NAME}`, 'for one message, in a unary Publish');
  }
}
