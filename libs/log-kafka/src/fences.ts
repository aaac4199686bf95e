/** From which record on nothing of an older owner counts. */
export interface Fence {
  readonly offset: number;
  readonly epoch: number;
}

/** Fences of one lane, in the order of their offsets, and so of their epochs. */
export type Fences = readonly Fence[];

/** What is kept for the next owner: the fences of each lane, and the snapshot of publishes that the broker gives. */
export interface Handover {
  readonly fences: readonly Fences[];
  readonly snapshot: Uint8Array | undefined;
  /** Of the Kafka topic that the partition is attached to; absent: none was known. */
  readonly kafkaTopicId?: string;
}

/** Fences of one lane that are remembered; the oldest are forgotten first. */
const FENCES_MAX = 1_000;

type Rows = readonly (readonly (readonly [offset: number, epoch: number])[])[];

/** Length of what is before the snapshot. */
const LENGTH_BYTES = 4;

/** The highest epoch that a fence before `offset` has; 0 if there is none. */
export function epochAt(fences: Fences, offset: number): number {
  return fences.findLast((fence) => fence.offset < offset)?.epoch ?? 0;
}

/** Those and a new one, without those that nothing is kept behind. */
export function withFence(fences: Fences, fence: Fence, firstOffset: number): Fences {
  const behind = fences.findLastIndex(({ offset }) => offset < firstOffset);
  return [...fences.slice(Math.max(0, behind)), fence].slice(-FENCES_MAX);
}

export function encodeHandover({ fences, snapshot, kafkaTopicId }: Handover): Uint8Array {
  const rows = fences.map((ofLane) => ofLane.map(({ offset, epoch }) => [offset, epoch]));
  const text = Buffer.from(JSON.stringify(kafkaTopicId === undefined ? rows : { kafkaTopicId }));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text, snapshot ?? new Uint8Array(0)]);
}

/** What `encodeHandover` wrote. */
export function decodeHandover(bytes: Uint8Array | undefined): Handover {
  if (bytes === undefined) {
    return { fences: [], snapshot: undefined };
  }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = LENGTH_BYTES + buffer.readUInt32BE(0);
  const read = JSON.parse(buffer.subarray(LENGTH_BYTES, end).toString()) as Rows | { readonly kafkaTopicId: string };
  const snapshot = end === buffer.length ? undefined : buffer.subarray(end);
  return 'kafkaTopicId' in read
    ? { fences: [], snapshot, kafkaTopicId: read.kafkaTopicId }
    : { fences: read.map((ofLane) => ofLane.map(([offset, epoch]) => ({ offset, epoch }))), snapshot };
}
