export {
  DEAD_LETTER_CAUSE,
  type DeadLetterCause,
  type DeadLetterEntry,
  type GroupChange,
  type GroupSnapshot,
  type LaneCursor,
  type OffsetRange,
  type RetryEntry,
} from './group-state.js';
