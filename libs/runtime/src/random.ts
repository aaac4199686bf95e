/** A source of randomness, passed in so that simulations replay. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

/** Node's generator: fine for jitter, not for secrets. */
export const systemRandom: Random = { next: () => Math.random() };

/** A random safe integer of 53 bits, never 0: incarnations and batch identities. */
export function random53(random: Random): number {
  const high = Math.floor(random.next() * 2 ** 26);
  const low = Math.floor(random.next() * 2 ** 27);
  return high * 2 ** 27 + low || 1;
}
