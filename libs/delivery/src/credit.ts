/** What one subscription may have in flight; shared by all the partitions that it is served from. */
export class Credit {
  readonly messagesMax: number;
  readonly bytesMax: number;
  #messages = 0;
  #bytes = 0;

  constructor(messagesMax: number, bytesMax: number) {
    this.messagesMax = messagesMax;
    this.bytesMax = bytesMax;
  }

  /** Messages in flight. */
  get messages(): number {
    return this.#messages;
  }

  /** Bytes in flight. */
  get bytes(): number {
    return this.#bytes;
  }

  /** True if a message of so many bytes may be sent. One above the whole credit goes alone. */
  fits(bytes: number): boolean {
    return this.#messages === 0 || (this.#messages < this.messagesMax && this.#bytes + bytes <= this.bytesMax);
  }

  take(bytes: number): void {
    this.#messages += 1;
    this.#bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#messages -= 1;
    this.#bytes -= bytes;
  }

  /** Corrects the size of a message that was taken before its size was known. */
  resize(fromBytes: number, toBytes: number): void {
    this.#bytes += toBytes - fromBytes;
  }
}
