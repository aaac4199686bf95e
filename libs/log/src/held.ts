import type { HeldSubscription } from '@hermes/delivery';

type HeldRow = readonly [
  lane: number,
  offset: number,
  attempt: number,
  deliveryNo: number,
  batch: number,
  deadlineAtMs: number,
];

/** What is handed over, as stores keep it: one text, written once and read once; null for nothing. */
export function encodeHeld(held: readonly HeldSubscription[]): string | null {
  const rows = held.map(({ name, consumer, deliveries }) => [
    name,
    consumer,
    deliveries.map(({ lane, offset, attempt, deliveryNo, batch, deadlineAtMs }): HeldRow => [
      ...([lane, offset, attempt] as const),
      ...([deliveryNo, batch, deadlineAtMs] as const),
    ]),
  ]);
  return rows.length === 0 ? null : JSON.stringify(rows);
}

/** What `encodeHeld` wrote. */
export function decodeHeld(text: string | null): HeldSubscription[] {
  const rows = text === null ? [] : (JSON.parse(text) as [string, string, HeldRow[]][]);
  return rows.map(([name, consumer, deliveries]) => ({
    name,
    consumer,
    deliveries: deliveries.map(([lane, offset, attempt, deliveryNo, batch, deadlineAtMs]) => ({
      ...{ lane, offset, attempt, deliveryNo, batch, deadlineAtMs },
    })),
  }));
}
