import {
  type AckEntry,
  AcknowledgeRequest,
  durationFromMs,
  MessagingServiceService,
  Outcome,
  PullRequest,
  statusToError,
} from '@hermes/contracts';

import { type Caller } from '../harness/caller.js';

const MESSAGES = 1_000;
/** Of what its sender never settled: it comes again. */
const ACK_DEADLINE_MS = 10_000;
const NACK_DELAY_MS = 100;
const OUTCOMES = [Outcome.ACK, Outcome.NACK, Outcome.DEAD_LETTER] as const;
const EXAMPLES_MAX = 5;

type Answer = 'OK' | 'STALE_DELIVERY' | 'none';

/** One message of the batch: what was decided, and what was answered. */
interface Entry {
  readonly receipt: Buffer;
  readonly attempt: number;
  readonly outcome: (typeof OUTCOMES)[number];
  answer: Answer;
}

/** A thousand messages that are pulled, and settled by one request: a third each acknowledged, refused and given up. */
export class MixedBatch {
  static readonly GROUP = 'mixed';
  readonly texts = Array.from({ length: MESSAGES }, (_, nth) => `message-${nth}`);
  readonly #caller: Caller;
  readonly #consumer: { readonly topic: string; readonly group: string; readonly consumer: string };
  readonly #entries = new Map<string, Entry>();

  constructor(caller: Caller, topic: string) {
    this.#caller = caller;
    this.#consumer = { topic, group: MixedBatch.GROUP, consumer: 'batch' };
  }

  /** Takes what there is; true once it holds all. */
  async pull(): Promise<boolean> {
    for (const { text, receipt, attempt } of await this.#pull()) {
      const outcome = OUTCOMES[this.#entries.size % OUTCOMES.length] ?? Outcome.ACK;
      this.#entries.set(text, { receipt, attempt, outcome, answer: 'none' });
    }
    return this.#entries.size === MESSAGES;
  }

  /** Settles all of it at once, and notes what is answered before the deadline. */
  async acknowledge(deadlineMs: number): Promise<void> {
    const entries = [...this.#entries.values()];
    const answers = await this.#settle(
      entries.map(({ receipt, outcome }) =>
        outcome === Outcome.NACK ? { receipt, outcome, delay: durationFromMs(NACK_DELAY_MS) } : { receipt, outcome },
      ),
      deadlineMs,
    ).catch(() => []);
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
    const count = (wanted: Answer) => `${answers.filter((answer) => answer === wanted).length} ${wanted}`;
    return [count('OK'), count('STALE_DELIVERY'), count('none')].join(', ');
  }

  async #pull(): Promise<{ text: string; attempt: number; receipt: Buffer }[]> {
    const request = { maxMessages: MESSAGES, wait: durationFromMs(200), ackDeadline: durationFromMs(ACK_DEADLINE_MS) };
    const { deliveries } = await this.#caller.call(
      MessagingServiceService.pull,
      PullRequest.fromPartial({ ...this.#consumer, ...request }),
    );
    return deliveries.map(({ message, attempt, receipt }) => ({
      ...{ attempt, receipt },
      text: Buffer.from(message?.body ?? []).toString(),
    }));
  }

  async #settle(entries: Partial<AckEntry>[], deadlineMs: number): Promise<Answer[]> {
    const { results } = await this.#caller.call(
      MessagingServiceService.acknowledge,
      AcknowledgeRequest.fromPartial({ ...this.#consumer, entries }),
      { deadline: Date.now() + deadlineMs },
    );
    return results.map(({ error }) => (error === undefined ? 'OK' : (statusToError(error).code as Answer)));
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
