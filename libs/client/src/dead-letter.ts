/** Thrown by a handler, with the reason: no further attempt, the message becomes a dead letter of the group at once. */
export class DeadLetter extends Error {
  override readonly name = 'DeadLetter';
}
