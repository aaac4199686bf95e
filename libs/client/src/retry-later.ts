/** Thrown by a handler: the message comes again after `delayMs` instead of by the group's policy. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';
  readonly delayMs: number;

  constructor(delayMs: number, reason = 'retry later', options?: ErrorOptions) {
    super(reason, options);
    this.delayMs = delayMs;
  }
}
