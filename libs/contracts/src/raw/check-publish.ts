import { type HermesError, invalidField } from '../hermes-error.js';
import { LIMITS } from '../limits.js';
import { checkTopicName } from '../names.js';
import { type RawPublishRequest } from './publish.js';

/** Refuses a request as a whole: nothing of it is tried. Messages are not looked into. Throws HermesError. */
export function checkPublishRequest(request: RawPublishRequest): void {
  const { topic, messages } = request;
  const badName: HermesError | undefined = checkTopicName(topic);
  if (badName !== undefined) {
    throw badName;
  }
  if (messages.length === 0 || messages.length > LIMITS.publishMessages) {
    throw invalidField('messages', `1 to ${LIMITS.publishMessages} messages`);
  }
  if (messages.length > 1 && messages.reduce((sum, { length }) => sum + length, 0) > LIMITS.requestBytes) {
    throw invalidField('messages', `together at most ${LIMITS.requestBytes} bytes, or one message`);
  }
  checkProducer(request);
}

/** A producer numbers the messages of one partition. */
function checkProducer({ producerId, firstSequence, partition, messages }: RawPublishRequest): void {
  if (producerId === undefined) {
    if (firstSequence !== undefined) {
      throw invalidField('first_sequence', 'only together with producer_id');
    }
    return;
  }
  if (producerId === 0) {
    throw invalidField('producer_id', '1 to 2^53 - 1');
  }
  if (partition === undefined) {
    throw invalidField('partition', 'given, together with producer_id');
  }
  if (firstSequence === undefined || firstSequence < 1 || firstSequence + messages.length - 1 > LIMITS.sequenceMax) {
    throw invalidField('first_sequence', 'from 1 on, and below 2^52 for the last message');
  }
}
