import { type HermesError } from '@hermes/contracts';

/** Who leads. */
export interface Leader {
  /** Where it is reached. */
  readonly endpoint: string;
  readonly epoch: number;
}

/** This process's right to decide for the cluster: to grant, to join, to write. */
export interface Leadership {
  /** Grows at each change of the leader. */
  readonly epoch: number;
  /** On the monotonic clock: before then nobody else leads. Infinity where no other process can. */
  readonly validUntilMs: number;
  /** Whether what is answered now is answered by the leader: a comparison, no I/O. */
  isValid(): boolean;
  /** Resolves with NOT_LEADER once leadership is lost, for good and in time; never rejects. */
  readonly lost: Promise<HermesError>;
}

/** The leadership of a database that only this process can open. */
export function soleLeadership(epoch: number): Leadership {
  return {
    epoch,
    validUntilMs: Number.POSITIVE_INFINITY,
    isValid: () => true,
    lost: new Promise(() => undefined),
  };
}
