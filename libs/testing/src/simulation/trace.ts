const LINES_KEPT = 400;

/** What happened, as a rolling hash over everything and the last lines in clear. Equal seeds give equal hashes. */
export class Trace {
  #high = 0x811c9dc5;
  #low = 0x1000193;
  readonly #lines: string[] = [];
  #next = 0;

  add(atMs: number, label: string): void {
    this.#mix(Math.floor(atMs * 1000));
    for (let i = 0; i < label.length; i++) {
      this.#mix(label.charCodeAt(i));
    }
    this.#lines[this.#next % LINES_KEPT] = `${atMs.toFixed(3)} ${label}`;
    this.#next += 1;
  }

  get hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }

  /** The last lines, oldest first. */
  tail(): string[] {
    const from = Math.max(0, this.#next - LINES_KEPT);
    return Array.from({ length: this.#next - from }, (_, i) => this.#lines[(from + i) % LINES_KEPT] ?? '');
  }

  #mix(word: number): void {
    this.#high = Math.imul(this.#high ^ word, 0x01000193);
    this.#low = Math.imul(this.#low ^ (word + this.#high), 0x85ebca6b);
    this.#low ^= this.#low >>> 13;
  }
}
