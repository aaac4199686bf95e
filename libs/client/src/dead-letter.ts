/** Thrown by a handler: no further attempt, the message becomes a dead letter of the group at once. */
export class DeadLetter extends Error {
  override readonly name = 'DeadLetter';

  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
  }
}
