import { type CommitOutcome, type IdentifiedPublish, logIsElsewhere, type ProducerState } from '@hermes/log';

import type { PartitionCalls } from './partition-calls.js';
import { definite } from './write-outcome.js';

/** The publishes of an embedded partition that may be repeated. */
export class EmbeddedProducerState implements ProducerState {
  readonly #calls: PartitionCalls;

  constructor(calls: PartitionCalls) {
    this.#calls = calls;
  }

  load(): Promise<Uint8Array | undefined> {
    return this.#calls.call('producers', {});
  }

  async save(snapshot: Uint8Array): Promise<CommitOutcome> {
    const { answer } = await this.#calls.write({ op: 'saveProducers', snapshot }, []);
    return answer.kind === 'committed' ? { kind: 'committed' } : definite(answer);
  }

  appendedFrom(lane: number, offset: number, maxRecords: number): Promise<readonly IdentifiedPublish[]> {
    if (this.#calls.stateOnly) {
      return Promise.reject(logIsElsewhere(this.#calls));
    }
    return this.#calls.call('identifiedFrom', { lane, offset, maxRecords });
  }

  scheduledFrom(scheduleId: number, maxRecords: number): Promise<readonly IdentifiedPublish[]> {
    return this.#calls.call('identifiedSchedules', { scheduleId, maxRecords });
  }
}
