import { StoreError } from '@hermes/log';
import type { KafkaJSError } from 'kafkajs';

/** Kafka's errors that say that a topic is not there, or not any more. */
const MISSING_TOPIC: ReadonlySet<string> = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID']);

/** A batch is above what its topic takes. */
const TOO_LARGE: ReadonlySet<string> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

/** What was asked cannot be stored as it is, whoever asks and however often: nothing of it is stored. */
const UNSTORABLE: ReadonlySet<string> = new Set([
  ...TOO_LARGE,
  ...['INVALID_TIMESTAMP', 'INVALID_RECORD', 'CORRUPT_MESSAGE', 'UNSUPPORTED_FOR_MESSAGE_FORMAT', 'POLICY_VIOLATION'],
]);

/** A broker that answers so to the first attempt has stored nothing of it. */
const REFUSED: ReadonlySet<string> = new Set([
  ...['TOPIC_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED', 'INVALID_TOPIC_EXCEPTION', 'NOT_ENOUGH_REPLICAS'],
  ...['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
]);

/** The broker does not know the producer, or what it wrote last, any more: its numbers prove nothing. */
const FORGOTTEN_PRODUCER: ReadonlySet<string> = new Set([
  ...['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING'],
  ...['DUPLICATE_SEQUENCE_NUMBER', 'PRODUCER_FENCED'],
]);

/** Name of the error that Kafka answered with; undefined if it is none of Kafka's. */
export function kafkaErrorType(error: unknown): string | undefined {
  const cause = rootOf(error);
  return isKafkaError(cause) && 'type' in cause && typeof cause.type === 'string' ? cause.type : undefined;
}

export const isMissingTopic = (error: unknown): boolean => MISSING_TOPIC.has(kafkaErrorType(error) ?? '');
export const isUnstorable = (error: unknown): boolean => UNSTORABLE.has(kafkaErrorType(error) ?? '');
export const isForgottenProducer = (error: unknown): boolean => FORGOTTEN_PRODUCER.has(kafkaErrorType(error) ?? '');
export const isTooLarge = (error: unknown): boolean => TOO_LARGE.has(kafkaErrorType(error) ?? '');
export const isOutOfRange = (error: unknown): boolean => kafkaErrorType(error) === 'OFFSET_OUT_OF_RANGE';

/** Whether a first attempt that failed so has certainly stored nothing. */
export function isRefused(error: unknown): boolean {
  return isUnstorable(error) || REFUSED.has(kafkaErrorType(error) ?? '');
}

/** An error of Kafka or of the way there as a StoreError; anything else is a bug and thrown on. */
export function readFault(error: unknown, what: string): StoreError {
  if (error instanceof StoreError) {
    return error;
  }
  if (!isKafkaError(error)) {
    throw error;
  }
  return new StoreError('unavailable', `${what}: ${rootOf(error).message}`, { cause: error });
}

/** By its name: what is thrown inside kafkajs is not always of the class that it exports. */
export function isKafkaError(error: unknown): error is KafkaJSError {
  return typeof error === 'object' && error !== null && 'name' in error && String(error.name).startsWith('KafkaJS');
}

/** What lies below kafkajs' "number of retries exceeded". */
function rootOf(error: unknown): Error {
  let root = error;
  while (isKafkaError(root) && isKafkaError(root.cause)) {
    root = root.cause;
  }
  return isKafkaError(root) ? root : new Error(String(root));
}
