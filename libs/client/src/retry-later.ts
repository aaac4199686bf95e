import { invalidField, LIMITS } from '@hermes/contracts';

/** Thrown by a handler: the message comes again after `delayMs` instead of by the group's policy. At most 12 h. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';
  readonly delayMs: number;

  constructor(delayMs: number, reason = 'retry later', options?: ErrorOptions) {
    super(reason, options);
    if (!(delayMs >= 0 && delayMs <= LIMITS.nackDelayMs)) {
      throw invalidField('delayMs', `0 to ${LIMITS.nackDelayMs} ms`);
    }
    this.delayMs = delayMs;
  }
}
