import { type Assignment, type Resume } from '@hermes/contracts';

/** Partitions that are to be subscribed on one stream at one endpoint, and what they had before. */
export interface Missing {
  readonly endpoint: string;
  readonly resume: Resume | undefined;
  readonly claims: readonly Assignment[];
}

/**
 * Partitions that their owners gave up in good order, and what the next ones may resume. Until these have answered, what
 * came from them stays the consumer's.
 */
export class MovedPartitions {
  readonly #positions = new Map<number, Resume>();

  /** `position`: of the stream that delivered them; undefined if it was never accepted: they had nothing. */
  keep(partitions: Iterable<number>, position: Resume | undefined): void {
    if (position !== undefined) {
      for (const partition of partitions) {
        this.#positions.set(partition, position);
      }
    }
  }

  /** Gives those that were kept. */
  forget(partitions: Iterable<number>): Set<number> {
    return new Set([...partitions].filter((partition) => this.#positions.delete(partition)));
  }

  /** Groups claims by endpoint, and by what they resume: one stream resumes one subscription. */
  group(claims: Iterable<{ readonly claim: Assignment; readonly endpoint: string }>): Missing[] {
    const groups = new Map<string, Missing & { readonly claims: Assignment[] }>();
    for (const { claim, endpoint } of claims) {
      const resume = this.#positions.get(claim.partition);
      const key = `${endpoint}/${resume === undefined ? '' : Buffer.from(resume.subscriptionId).toString('hex')}`;
      const group = groups.get(key) ?? { endpoint, resume, claims: [] };
      group.claims.push(claim);
      groups.set(key, group);
    }
    return [...groups.values()];
  }
}
