const LINES_KEPT = 400;

/** What happened, as a rolling hash over everything and the last lines in clear. Equal seeds give equal hashes. */
export class Trace {
  // Typed, since 32-bit values in plain fields would be allocated anew at each step.
  readonly #hash = new Int32Array([0x811c9dc5, 0x01000193]);
  readonly #lines: { readonly atMs: number; readonly label: string }[] = [];
  #next = 0;

  add(atMs: number, label: string): void {
    let high = (this.#hash[0] ?? 0) ^ Math.floor(atMs * 1000);
    let low = this.#hash[1] ?? 0;
    for (let i = 0; i < label.length; i++) {
      high = Math.imul(high ^ label.charCodeAt(i), 0x01000193);
    }
    low = Math.imul(low ^ high, 0x85ebca6b);
    this.#hash[0] = high;
    this.#hash[1] = low ^ (low >>> 13);
    this.#lines[this.#next % LINES_KEPT] = { atMs, label };
    this.#next += 1;
  }

  get hash(): string {
    return Array.from(this.#hash, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** The last lines, oldest first. */
  tail(): string[] {
    const from = this.#next % LINES_KEPT;
    const ordered = this.#next < LINES_KEPT ? this.#lines : [...this.#lines.slice(from), ...this.#lines.slice(0, from)];
    return ordered.map(({ atMs, label }) => `${atMs.toFixed(3)} ${label}`);
  }
}
