/**
 * What one subscription may have in flight; shared by all the partitions that it is served from. A message that is
 * delivered alone takes all of it: whoever wants that reserves the credit, which then empties.
 */
export class Credit {
  #messagesMax: number;
  #bytesMax: number;
  readonly #onFreed: () => void;
  #messages = 0;
  #bytes = 0;
  /** Somebody was refused and has not been told of freed credit since. */
  #refused = false;
  #isTaken = false;
  #reservedBy: object | undefined;

  /** `onFreed` is called when credit comes back and somebody was refused before. It must not call back. */
  constructor(messagesMax: number, bytesMax: number, onFreed: () => void = () => undefined) {
    this.#messagesMax = messagesMax;
    this.#bytesMax = bytesMax;
    this.#onFreed = onFreed;
  }

  /** Messages that may be in flight. */
  get messagesMax(): number {
    return this.#messagesMax;
  }

  /** Messages in flight. */
  get messages(): number {
    return this.#messages;
  }

  /** Bytes in flight. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Changes what it is: what is in flight above that stays so. */
  configure(messagesMax: number, bytesMax: number): void {
    this.#messagesMax = messagesMax;
    this.#bytesMax = bytesMax;
    this.#tell();
  }

  /** True if a message of so many bytes may be sent. One above the whole credit goes alone. Who is refused is told. */
  fits(bytes: number): boolean {
    const isOpen = !this.#isTaken && this.#reservedBy === undefined;
    const hasRoom = this.#messages < this.#messagesMax && this.#bytes + bytes <= this.#bytesMax;
    const fits = isOpen && (this.#messages === 0 || hasRoom);
    this.#refused ||= !fits;
    return fits;
  }

  /** True if `by` may send a message that goes alone: nothing is in flight, and nobody else has reserved it. */
  fitsAlone(by: object): boolean {
    const fits = this.#messages === 0 && (this.#reservedBy === undefined || this.#reservedBy === by);
    this.#refused ||= !fits;
    return fits;
  }

  /** Nothing more is sent until it is empty and `by` takes it, or releases it. False if somebody else has reserved it. */
  reserve(by: object): boolean {
    this.#reservedBy ??= by;
    return this.#reservedBy === by;
  }

  /** `by` does not want it any more. Harmless if it has not reserved it. */
  release(by: object): void {
    if (this.#reservedBy === by) {
      this.#reservedBy = undefined;
      this.#tell();
    }
  }

  take(bytes: number): void {
    this.#messages += 1;
    this.#bytes += bytes;
  }

  /** Takes all of it, for one message; `fitsAlone` has said yes. */
  takeAlone(bytes: number): void {
    this.#reservedBy = undefined;
    this.#isTaken = true;
    this.take(bytes);
  }

  giveBack(bytes: number): void {
    this.#messages -= 1;
    this.#bytes -= bytes;
    this.#isTaken &&= this.#messages > 0;
    this.#tell();
  }

  /** Corrects the size of a message that was taken before its size was known. */
  resize(fromBytes: number, toBytes: number): void {
    this.#bytes += toBytes - fromBytes;
  }

  #tell(): void {
    if (this.#refused) {
      this.#refused = false;
      this.#onFreed();
    }
  }
}
