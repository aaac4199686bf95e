import { isUtf8 } from 'node:buffer';

/** Up to here a loop over ASCII is quicker than a view and a native call. */
const LOOP_BYTES_MAX = 48;

/** True if `bytes[start, end)` is UTF-8. */
export function isUtf8Range(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start <= LOOP_BYTES_MAX) {
    let at = start;
    while (at < end && (bytes[at] ?? 0) < 0x80) {
      at++;
    }
    if (at === end) {
      return true;
    }
  }
  return isUtf8(viewOf(bytes, start, end));
}

/** A view of a range: what `subarray` gives, always as a plain Uint8Array and quicker than a Buffer's own. */
export function viewOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}

/** The text of a range that is known to be UTF-8. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8', start, end);
}
