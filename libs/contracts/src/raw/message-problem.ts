import { HermesError, invalidField } from '../hermes-error.js';

/** Why a Message is refused: that entry's INVALID_FIELD or MESSAGE_TOO_LARGE. */
export type MessageProblem =
  | {
      readonly kind: 'invalid';
      /** Name of the field; empty: the Message as a whole. */
      readonly field: string;
      readonly description: string;
    }
  | {
      readonly kind: 'tooLarge';
      /** `body`; empty: the Message as a whole. */
      readonly field: string;
      readonly limit: number;
      readonly size: number;
    };

/** The error of entry `index` of a Publish. */
export function messageError(problem: MessageProblem, index: number): HermesError {
  const entry = `messages[${index}]`;
  const path = problem.field === '' ? entry : `${entry}.${problem.field}`;
  if (problem.kind === 'invalid') {
    return invalidField(path, problem.description);
  }
  const { limit, size } = problem;
  return new HermesError('MESSAGE_TOO_LARGE', `${path}: ${size} bytes, at most ${limit}`, {
    details: { limit: String(limit), size: String(size) },
    violations: [{ field: path, description: `at most ${limit} bytes` }],
  });
}
