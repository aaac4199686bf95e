import { type BrokerLease } from './broker-lease.js';
import { type BrokerRegistry } from './broker-registry.js';

/**
 * Notes which data sources each broker is cut off from: it has not reached them for as long as `patienceMs`, and all that
 * time another broker of its group, that could have their partitions, has. One that nobody reaches is down: no broker
 * does better with it. Gives when this may come out otherwise by time alone.
 */
export function noteCutOff(
  present: readonly BrokerLease[],
  registry: BrokerRegistry,
  { nowMs, patienceMs }: { readonly nowMs: number; readonly patienceMs: number },
): number {
  let againMs = Number.POSITIVE_INFINITY;
  const able = present.filter((lease) => registry.isAccepting(lease));
  for (const lease of present) {
    const cutOff = new Set<string>();
    for (const name of lease.reach.lost) {
      const others = able.filter((other) => other.brokerGroup === lease.brokerGroup && !other.reach.isLost(name));
      const reachedSinceMs = Math.min(...others.map((other) => other.reach.sinceMs(name)));
      const fromMs = Math.max(lease.reach.sinceMs(name), reachedSinceMs) + patienceMs;
      if (fromMs <= nowMs) {
        cutOff.add(name);
      } else {
        againMs = Math.min(againMs, fromMs);
      }
    }
    lease.cutOff = cutOff;
  }
  return againMs;
}
