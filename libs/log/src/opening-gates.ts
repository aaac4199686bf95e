import { OpeningGate } from './opening-gate.js';
import type { OpenPartitionOutcome, OpenPartitionRequest } from './storage-engine.js';

/** The gates of all openings of a storage engine that are not over. */
export class OpeningGates {
  readonly #gates = new Set<OpeningGate>();

  /** Opens a partition behind a gate of its own, which stays while what was opened does. Rejects as `opening` does. */
  async open(
    { topicId, partition, epoch }: OpenPartitionRequest,
    opening: (gate: OpeningGate) => Promise<OpenPartitionOutcome>,
  ): Promise<OpenPartitionOutcome> {
    const gate = new OpeningGate(`partition ${topicId}/${partition} at epoch ${epoch}`);
    this.#gates.add(gate);
    gate.signal.addEventListener('abort', () => {
      this.#gates.delete(gate);
    });
    let outcome: OpenPartitionOutcome | undefined;
    try {
      outcome = await opening(gate);
      if (gate.refusal !== undefined) {
        throw gate.refusal;
      }
      return outcome;
    } finally {
      if (outcome?.kind !== 'opened') {
        await gate.close();
      }
    }
  }

  /** None of them can be served any longer. */
  loseAll(reason: string): void {
    for (const gate of [...this.#gates]) {
      gate.lose(reason);
    }
  }

  /** Resolves once what is under way in them has been answered. */
  async close(): Promise<void> {
    await Promise.all([...this.#gates].map((gate) => gate.close()));
  }
}
