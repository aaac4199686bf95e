import {
  type AckResult,
  durationToMs,
  GroupMode,
  type HermesError,
  LIMITS,
  Outcome,
  type RawAcknowledgeRequest,
  type SubscribeAccepted,
} from '@hermes/contracts';
import { type ConsumerLeases, type ConsumerName } from './consumer-leases.js';
import { type Environment } from './environment.js';
import { failureOf } from './failure.js';
import { PullMember } from './pull-member.js';

/** The terms of a group are asked for again after so long. */
const TERMS_MS = 10_000;
const GROUPS_MAX = 10_000;
/** A consumer that does not pull for so long, or for its deadline to settle if that is longer, gives its lease back. */
const IDLE_MS = 60_000;

interface GroupTerms {
  readonly mode: GroupMode;
  readonly ackDeadlineMs: number;
  readonly askedAtMs: number;
}

/** Keeps the leases of the consumers that pull from EXCLUSIVE groups, from one pull to the next. */
export class PullMembers {
  readonly #leases: ConsumerLeases;
  readonly #environment: Environment;
  readonly #ask: (name: ConsumerName) => Promise<SubscribeAccepted>;
  readonly #terms = new Map<string, GroupTerms>();
  readonly #members = new Map<string, PullMember>();

  constructor(
    leases: ConsumerLeases,
    environment: Environment,
    ask: (name: ConsumerName) => Promise<SubscribeAccepted>,
  ) {
    this.#leases = leases;
    this.#environment = environment;
    this.#ask = ask;
  }

  /** The place of an EXCLUSIVE group's consumer; undefined in other modes, which know no leases. */
  async of(name: ConsumerName, ackDeadlineMs: number | undefined): Promise<PullMember | undefined> {
    const terms = await this.#termsOf(name);
    if (terms.mode !== GroupMode.EXCLUSIVE) {
      return undefined;
    }
    const key = keyOf(name);
    let member = this.#members.get(key);
    if (member === undefined) {
      const { topic, group, consumer } = name;
      const joined = new PullMember(this.#leases, { topic, group, consumer }, this.#environment, () => {
        if (this.#members.get(key) === joined) {
          this.#members.delete(key);
        }
      });
      member = joined;
      this.#members.set(key, joined);
    }
    member.stayFor(Math.max(IDLE_MS, ackDeadlineMs ?? terms.ackDeadlineMs));
    return member;
  }

  /** A pull failed: what is remembered of its group may be wrong. */
  failed(name: ConsumerName, error: HermesError): void {
    if (failureOf(error) === 'final' && error.code !== 'FENCED') {
      this.#terms.delete(groupOf(name));
      this.#members.get(keyOf(name))?.leave();
    }
  }

  /** Takes note of what was settled, so that a partition which is to be given back is known to be free. */
  settled(request: RawAcknowledgeRequest, results: readonly AckResult[]): void {
    const member = this.#members.get(keyOf(request));
    request.entries.forEach(({ outcome, receipt }, at) => {
      if (outcome !== Outcome.EXTEND && results[at]?.error === undefined) {
        member?.settled(receipt);
      }
    });
  }

  /** While no meta-server answers, what was known goes on to count. */
  async #termsOf(name: ConsumerName): Promise<GroupTerms> {
    const nowMs = this.#environment.clock.monotonicMs();
    const known = this.#terms.get(groupOf(name));
    if (known !== undefined && nowMs - known.askedAtMs < TERMS_MS) {
      return known;
    }
    try {
      const { mode, ackDeadline } = await this.#ask(name);
      const ackDeadlineMs = (ackDeadline && durationToMs(ackDeadline)) ?? LIMITS.ackDeadlineMs.default;
      const terms = { mode, ackDeadlineMs, askedAtMs: nowMs };
      if (this.#terms.size >= GROUPS_MAX) {
        this.#terms.clear();
      }
      this.#terms.set(groupOf(name), terms);
      return terms;
    } catch (error) {
      if (known === undefined || failureOf(error as HermesError) === 'final') {
        throw error;
      }
      return known;
    }
  }
}

/** Names hold no slash. */
function groupOf({ topic, group }: ConsumerName): string {
  return `${topic}/${group}`;
}

function keyOf(name: ConsumerName): string {
  return `${groupOf(name)}/${name.consumer}`;
}
