/** What a stored row is; only messages are delivered, the others count as settled for every group. */
export const RECORD_KIND = { message: 0, fence: 1, void: 2, seal: 3 } as const;

export type RecordKind = (typeof RECORD_KIND)[keyof typeof RECORD_KIND];
