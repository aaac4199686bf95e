const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const R = 24;

/**
 * MurmurHash2 of `bytes[start, end)` as a signed 32-bit integer, equal to `Utils.murmur2` of Apache Kafka, so that
 * a key has the same partition in both.
 */
export function murmur2(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const length = end - start;
  const tail = start + (length & ~3);
  let h = SEED ^ length;
  for (let i = start; i < tail; i += 4) {
    let k =
      byteAt(bytes, i) | (byteAt(bytes, i + 1) << 8) | (byteAt(bytes, i + 2) << 16) | (byteAt(bytes, i + 3) << 24);
    k = Math.imul(k, M);
    k ^= k >>> R;
    h = Math.imul(h, M) ^ Math.imul(k, M);
  }
  if (tail < end) {
    for (let i = end - 1; i >= tail; i--) {
      h ^= byteAt(bytes, i) << (8 * (i - tail));
    }
    h = Math.imul(h, M);
  }
  h ^= h >>> 13;
  h = Math.imul(h, M);
  return h ^ (h >>> 15);
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}

/** Kafka's default partitioner: the hash without its sign, modulo the number of partitions. */
export function partitionForHash(hash: number, partitions: number): number {
  return (hash & 0x7fffffff) % partitions;
}

/** The partition of a key; strings count as UTF-8. */
export function partitionForKey(key: string | Uint8Array, partitions: number): number {
  return partitionForHash(murmur2(typeof key === 'string' ? Buffer.from(key) : key), partitions);
}
