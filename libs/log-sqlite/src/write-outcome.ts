import type { Fenced, Full, Refused } from '@hermes/log';
import { invariant } from '@hermes/runtime';

import { toStoreError } from './shard-client.js';
import type { WriteAnswer } from './shard-protocol.js';

/** The outcome of a write that stored nothing. */
export function definite(answer: WriteAnswer): Fenced | Full | Refused {
  switch (answer.kind) {
    case 'fenced':
    case 'full':
      return answer;
    case 'refused':
      return { kind: 'refused', error: toStoreError(answer.error) };
    default:
      invariant(false, `a write was answered ${answer.kind} where it cannot be`);
  }
}
