import { durationFromMs, Outcome } from '@hermes/contracts';

import { type Caller } from '../harness/caller.js';
import { Puller } from '../harness/puller.js';

const MESSAGES = 1_000;
/** Of what its sender never settled: it comes again. */
const ACK_DEADLINE_MS = 10_000;
const NACK_DELAY_MS = 100;
const OUTCOMES = [Outcome.ACK, Outcome.NACK, Outcome.DEAD_LETTER] as const;
const EXAMPLES_MAX = 5;

/** One message of the batch: what was decided, and what was answered. */
interface Entry {
  readonly receipt: Buffer;
  readonly attempt: number;
  readonly outcome: (typeof OUTCOMES)[number];
  /** `none` while nothing was answered. */
  answer: string;
}

/** A thousand messages that are pulled, and settled by one request: a third each acknowledged, refused and given up. */
export class MixedBatch {
  static readonly GROUP = 'mixed';
  readonly texts = Array.from({ length: MESSAGES }, (_, nth) => `message-${nth}`);
  readonly #puller: Puller;
  readonly #entries = new Map<string, Entry>();

  constructor(caller: Caller, topic: string) {
    this.#puller = new Puller(caller, { topic, group: MixedBatch.GROUP, consumer: 'batch' });
  }

  /** Takes what there is; true once it holds all. */
  async pull(): Promise<boolean> {
    const request = { maxMessages: MESSAGES, wait: durationFromMs(200), ackDeadline: durationFromMs(ACK_DEADLINE_MS) };
    for (const { text, receipt, attempt } of await this.#puller.pull(request)) {
      const outcome = OUTCOMES[this.#entries.size % OUTCOMES.length] ?? Outcome.ACK;
      this.#entries.set(text, { receipt, attempt, outcome, answer: 'none' });
    }
    return this.#entries.size === MESSAGES;
  }

  /** Settles all of it at once, and notes what is answered before the deadline. */
  async acknowledge(deadlineMs?: number): Promise<void> {
    const entries = [...this.#entries.values()];
    const answers = await this.#puller
      .settle(
        entries.map(({ receipt, outcome }) =>
          outcome === Outcome.NACK ? { receipt, outcome, delay: durationFromMs(NACK_DELAY_MS) } : { receipt, outcome },
        ),
        deadlineMs,
      )
      .catch(() => []);
    entries.forEach((entry, nth) => {
      entry.answer = answers[nth] ?? 'none';
    });
  }

  /** `seen` is what a consumer got afterwards, `dead` are the dead letters: as `text#attempt`, both. */
  violations(seen: readonly string[], dead: readonly string[]): string[] {
    const violations = [...this.#entries].flatMap(([text, entry]) => {
      const again = seen.filter((each) => each.startsWith(`${text}#`));
      const deaths = dead.filter((each) => each.startsWith(`${text}#`)).map((each) => `dead ${each}`);
      const end = [...again, ...deaths].join();
      return endsOf(text, entry).includes(end) ? [] : [`${Outcome[entry.outcome]} ${entry.answer}, then ${end}`];
    });
    return violations.slice(0, EXAMPLES_MAX);
  }

  /** How many entries were answered in which way. */
  get summary(): string {
    const answers = [...this.#entries.values()].map(({ answer }) => answer);
    const count = (wanted: string) => `${answers.filter((answer) => answer === wanted).length} ${wanted}`;
    return [count('OK'), count('STALE_DELIVERY'), count('none')].join(', ');
  }
}

/**
 * How a message may end. What was answered is done; of a refused or unanswered decision nobody knows, and a delivery that
 * was never settled has failed at its deadline.
 */
function endsOf(text: string, { outcome, answer, attempt }: Entry): readonly string[] {
  const [same, next] = [`${text}#${attempt}`, `${text}#${attempt + 1}`];
  const done = { [Outcome.ACK]: '', [Outcome.NACK]: next, [Outcome.DEAD_LETTER]: `dead ${same}` }[outcome];
  return answer === 'OK' ? [done] : [done, same, next];
}
