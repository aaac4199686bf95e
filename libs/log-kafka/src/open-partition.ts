import {
  type CommitOutcome,
  type LogShape,
  type OpeningGate,
  type OpenPartitionOutcome,
  type OpenPartitionRequest,
  type PartitionStore,
  RECORD_KIND,
  type StorageEngine,
  StoreError,
} from '@hermes/log';
import { type Clock, sleep, type Timers } from '@hermes/runtime';

import type { FeedFetcher } from './feed-fetcher.js';
import { decodeHandover, encodeHandover, type Fences, withFence } from './fences.js';
import { type KafkaCluster, type KafkaPlace, placeKey } from './kafka-cluster.js';
import { KafkaLog } from './kafka-log.js';
import { KafkaPartition } from './kafka-partition.js';
import { type KafkaTopics, missing, type TopicFacts } from './kafka-topics.js';
import type { Producers } from './producers.js';
import { encodeHeader, HEADER_NAME } from './record-header.js';

/** What an opening needs of the engine. */
export interface OpeningContext {
  readonly state: StorageEngine;
  readonly topics: KafkaTopics;
  readonly cluster: KafkaCluster;
  readonly producers: Producers;
  readonly fetcher: FeedFetcher;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** What was made is not known to every Kafka broker at once, least of all to one that stood still. */
const ATTEMPTS_MAX = 25;
const ATTEMPT_PAUSE_MS = 100;

/**
 * Opens a partition: fences its state at the new epoch, finds or makes the lanes' Kafka topics, and appends a fence
 * record to each lane. From the fence on no older owner changes state; Kafka may still take an append of it, behind the
 * fence record. Rejects with StoreError.
 */
export async function openPartition(
  context: OpeningContext,
  request: OpenPartitionRequest,
  gate: OpeningGate,
): Promise<OpenPartitionOutcome> {
  const outcome = await context.state.openPartition({ ...request, stateOnly: true });
  if (outcome.kind !== 'opened') {
    return outcome;
  }
  const { store: state } = outcome;
  try {
    return await openLanes(context, request, { state, gate });
  } catch (error) {
    await state.close();
    throw error;
  }
}

async function openLanes(
  context: OpeningContext,
  request: OpenPartitionRequest,
  { state, gate }: { readonly state: PartitionStore; readonly gate: OpeningGate },
): Promise<OpenPartitionOutcome> {
  const { topicId, partition } = request;
  // The state knows of lanes that the topic had when it was last opened.
  const count = Math.max(request.lanes, state.schedule.marks.length);
  const places = Array.from({ length: count }, (_, lane) => ({
    topic: context.topics.nameOf(topicId, lane),
    partition,
  }));
  const facts: TopicFacts[] = [];
  for (const [lane, place] of places.entries()) {
    const isNew = !request.created || lane >= state.schedule.marks.length;
    const found = await findTopic(context, place, isNew ? shapeOf(request) : undefined);
    if (found === undefined) {
      await state.close();
      return { kind: 'dataLoss', detail: `the Kafka topic ${place.topic} is gone, or lacks partition ${partition}` };
    }
    facts.push(found);
  }
  const floors = await highestFloors(state, count);
  const known = decodeHandover(await state.producers.load());
  const positions = await Promise.all(
    places.map((place, lane) => fenceLane(context, { place, fences: known.fences[lane] ?? [], state, gate })),
  );
  const fences = positions.map((position) => position.fences);
  await written('the fences', state.producers.save(encodeHandover({ ...known, fences })));
  const { topics, cluster, producers, fetcher, clock, timers } = context;
  const lanes = positions.map(
    (position, lane) =>
      new KafkaLog({
        ...{ topicId, lane, epoch: request.epoch, topics, producers, cluster, fetcher, gate, clock, timers },
        ...position,
        maxMessageBytes: facts[lane]?.maxMessageBytes ?? 0,
        nowMs: () => state.timeMs(),
      }),
  );
  const behind = lanes.find((log, lane) => log.nextOffset <= (floors[lane] ?? 0));
  if (behind !== undefined) {
    await state.close();
    return { kind: 'dataLoss', detail: `${placeKey(behind.place)} ends below what groups have settled` };
  }
  await markNew(state, lanes);
  for (const lane of lanes) {
    context.fetcher.add(lane);
  }
  return { kind: 'opened', store: new KafkaPartition({ state, lanes, fences, facts, fetcher: context.fetcher, gate }) };
}

/** The lane's topic, made if `shape` says how; undefined if it is not there, or lacks the partition. */
async function findTopic(
  { topics, timers }: OpeningContext,
  { topic, partition }: KafkaPlace,
  shape: LogShape | undefined,
): Promise<TopicFacts | undefined> {
  if (shape !== undefined) {
    await topics.ensure(topic, shape);
  }
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const facts = await topics.find(topic);
    if (facts !== undefined && facts.partitions > partition) {
      return facts;
    }
    await sleep(timers, ATTEMPT_PAUSE_MS);
  }
  if (shape !== undefined) {
    throw missing(topic);
  }
  return undefined;
}

interface LaneFencing {
  readonly place: KafkaPlace;
  /** Of the owners before. */
  readonly fences: Fences;
  readonly state: PartitionStore;
  readonly gate: OpeningGate;
}

/** Where a lane stands. */
interface LanePosition {
  readonly place: KafkaPlace;
  readonly firstOffset: number;
  readonly fences: Fences;
}

async function fenceLane(context: OpeningContext, { place, fences, state, gate }: LaneFencing): Promise<LanePosition> {
  const { epoch } = state;
  const offset = await appendFence(context, place, { state, gate });
  const firstOffset = (await context.cluster.offset(place, 'earliest')) ?? 0;
  return { place, firstOffset, fences: withFence(fences, { offset, epoch }, firstOffset) };
}

/** Everything that was acknowledged before lies below the fence record, whose offset this is. */
async function appendFence(
  { cluster, producers, timers }: OpeningContext,
  place: KafkaPlace,
  { state, gate }: Pick<LaneFencing, 'state' | 'gate'>,
): Promise<number> {
  const none = { checksum: 0, scheduleId: 0, producerId: 0, sequence: 0, expiresAtMs: 0 };
  const header = encodeHeader({ ...none, kind: RECORD_KIND.fence, epoch: state.epoch });
  const message = { key: null, value: null, headers: { [HEADER_NAME]: header }, timestamp: String(state.timeMs()) };
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await producers.send({ ...place, messages: [message], bytes: header.length, signal: gate.signal });
    const definite = outcome.kind === 'inDoubt' ? await outcome.resolution : outcome;
    if (definite.kind === 'stored') {
      return definite.firstOffset;
    }
    if (attempt === ATTEMPTS_MAX) {
      throw definite.error;
    }
    await sleep(timers, ATTEMPT_PAUSE_MS, gate.signal);
    await cluster.refresh([place]).catch(() => undefined);
  }
}

/** From now on their topics must be there. Rejects with StoreError. */
async function markNew({ schedule }: PartitionStore, lanes: readonly KafkaLog[]): Promise<void> {
  const added = lanes.slice(schedule.marks.length);
  if (added.length === 0) {
    return;
  }
  const marks = added.map(({ lane }) => ({ kind: 'mark', mark: { lane, offset: 0 } }) as const);
  await written('new lanes', schedule.commit(marks));
}

/** Rejects with StoreError if what an opening has to note is not stored. */
async function written(what: string, commit: Promise<CommitOutcome>): Promise<void> {
  const outcome = await commit;
  const definite = outcome.kind === 'inDoubt' ? await outcome.resolution : outcome;
  if (definite.kind !== 'committed') {
    throw definite.kind === 'refused'
      ? definite.error
      : new StoreError('unavailable', `${what} could not be noted: ${definite.kind}`);
  }
}

/** One above the highest offset that any group has settled, by lane. */
async function highestFloors({ groupState }: PartitionStore, lanes: number): Promise<readonly number[]> {
  const highest = new Array<number>(lanes).fill(0);
  for (const groupId of await groupState.groupIds()) {
    for (const { lane, floor, settled } of (await groupState.load(groupId))?.lanes ?? []) {
      highest[lane] = Math.max(highest[lane] ?? 0, settled.at(-1)?.to ?? floor);
    }
  }
  return highest;
}

function shapeOf({ partition, shape }: OpenPartitionRequest): LogShape {
  if (shape !== undefined && shape.partitions <= partition) {
    throw new StoreError('unavailable', `partition ${partition} of a topic that has ${shape.partitions}`);
  }
  return shape ?? { partitions: partition + 1 };
}
