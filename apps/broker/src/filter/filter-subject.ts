import { Message } from '@hermes/contracts';
import { type FilterSubject } from '@hermes/filter';

/** A stored record as filters see it. Its body is not copied. */
export function subjectOf(record: Uint8Array): FilterSubject {
  const { key, refKey, priority, attributes } = Message.decode(record);
  return { key, refKey, priority, attribute: (name) => attributes.get(name) };
}
