/** A number as protobuf encodes lengths: seven bits a byte, the lowest first. */
export function varint(value: number): Buffer {
  const parts: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) {
    parts.push((rest & 0x7f) | 0x80);
  }
  return Buffer.from([...parts, rest]);
}
