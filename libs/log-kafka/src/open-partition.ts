import type { GroupSnapshot } from '@hermes/delivery';
import {
  type CommitOutcome,
  type LogShape,
  type OpeningGate,
  type OpenPartitionOutcome,
  type OpenPartitionRequest,
  type PartitionStore,
  type ProducerState,
  RECORD_KIND,
  type StorageEngine,
  StoreError,
} from '@hermes/log';
import { type Clock, sleep, type Timers } from '@hermes/runtime';

import { attachedFormat } from './attached-format.js';
import type { AttachedTopics } from './attached-topics.js';
import type { FeedFetcher } from './feed-fetcher.js';
import { decodeHandover, encodeHandover, withFence } from './fences.js';
import { type KafkaCluster, type KafkaPlace, placeKey } from './kafka-cluster.js';
import { KafkaLog } from './kafka-log.js';
import { KafkaPartition } from './kafka-partition.js';
import { ForgottenProducers, KafkaProducerState } from './kafka-producer-state.js';
import { type KafkaTopics, missing, type TopicFacts } from './kafka-topics.js';
import { ownFormat } from './own-format.js';
import type { Producers } from './producers.js';
import type { RecordFormat } from './record-format.js';
import { encodeHeader, HEADER_NAME } from './record-header.js';

/** What an opening needs of the engine. */
export interface OpeningContext {
  readonly state: StorageEngine;
  readonly topics: KafkaTopics;
  readonly attachedTopics: AttachedTopics;
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
 * fence record. A topic that is attached is neither made nor fenced. Rejects with StoreError.
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
  const { topicId } = request;
  const places = placesOf(context, request, state);
  const isAttached = request.shape?.attached !== undefined;
  const groups = await loadGroups(state);
  const facts = isAttached
    ? await findAttached(context, request, { state, gate, groups })
    : await findTopics(context, request, { state, places });
  if (typeof facts === 'string') {
    await state.close();
    return { kind: 'dataLoss', detail: facts };
  }
  const floors = highestFloors(groups, places.length);
  const opening = { places, state, gate };
  const { positions, publishesOf } = await (isAttached ? findLanes(context, opening) : fenceLanes(context, opening));
  const behind = positions.find(({ endBefore }, lane) => endBefore < (floors[lane] ?? 0));
  if (behind !== undefined) {
    await state.close();
    return { kind: 'dataLoss', detail: `${placeKey(behind.place)} ends below what groups have settled` };
  }
  const { topics, cluster, producers, fetcher, clock, timers } = context;
  const lanes = positions.map(
    (position, lane) =>
      new KafkaLog({
        ...{
          topicId,
          lane,
          topics,
          producers,
          cluster,
          fetcher,
          gate,
          clock,
          timers,
          attached: request.shape?.attached,
        },
        ...position,
        maxMessageBytes: facts[lane]?.maxMessageBytes ?? 0,
        nowMs: () => state.timeMs(),
      }),
  );
  await markNew(state, lanes);
  for (const lane of lanes) {
    fetcher.add(lane);
  }
  const store = new KafkaPartition({ state, lanes, facts, groups, producers: publishesOf(lanes), fetcher, gate });
  return { kind: 'opened', store };
}

/** Where the lanes are. The state knows of lanes that the topic had when it was last opened. */
function placesOf(
  { topics }: OpeningContext,
  request: OpenPartitionRequest,
  { schedule }: PartitionStore,
): KafkaPlace[] {
  const { topicId, partition, lanes, shape } = request;
  return shape?.attached === undefined
    ? Array.from({ length: Math.max(lanes, schedule.marks.length) }, (_, lane) => ({
        topic: topics.nameOf(topicId, lane),
        partition,
      }))
    : [{ topic: shape.attached.topic, partition }];
}

/** The topic that a partition is attached to, unless it is another one now: then says so. */
async function findAttached(
  { attachedTopics }: OpeningContext,
  request: OpenPartitionRequest,
  opening: Pick<LanesOpening, 'state' | 'gate'> & { readonly groups: readonly GroupSnapshot[] },
): Promise<readonly TopicFacts[] | string> {
  const { facts, kafkaTopicId } = await attachedTopics.find(request, opening.gate);
  return (await isKnown(kafkaTopicId, opening))
    ? [facts]
    : `the Kafka topic ${request.shape?.attached?.topic} was deleted and made anew`;
}

/** Whether the groups' progress is in this topic; from now on it is to be this one. */
async function isKnown(
  kafkaTopicId: string | undefined,
  { state, groups }: { readonly state: PartitionStore; readonly groups: readonly GroupSnapshot[] },
): Promise<boolean> {
  const known = decodeHandover(await state.producers.load());
  if (kafkaTopicId === undefined || kafkaTopicId === known.kafkaTopicId) {
    return true;
  }
  if (known.kafkaTopicId !== undefined && groups.some(hasProgress)) {
    return false;
  }
  await written('which Kafka topic it is', state.producers.save(encodeHandover({ ...known, kafkaTopicId })));
  return true;
}

const hasProgress = ({ lanes, retries }: GroupSnapshot): boolean =>
  retries.length > 0 || lanes.some(({ floor, settled }) => floor > 0 || settled.length > 0);

/** The lanes' topics, made where they are new; else what is missing, as a sentence. */
async function findTopics(
  context: OpeningContext,
  request: OpenPartitionRequest,
  { state, places }: { readonly state: PartitionStore; readonly places: readonly KafkaPlace[] },
): Promise<readonly TopicFacts[] | string> {
  const facts: TopicFacts[] = [];
  for (const [lane, place] of places.entries()) {
    const isNew = !request.created || lane >= state.schedule.marks.length;
    const found = await findTopic(context, place, isNew ? shapeOf(request) : undefined);
    if (found === undefined) {
      return `the Kafka topic ${place.topic} is gone, or lacks partition ${place.partition}`;
    }
    facts.push(found);
  }
  return facts;
}

/** The lane's topic, made if `shape` says how; undefined if it is not there, or lacks the partition. */
async function findTopic(
  { topics, timers, cluster }: OpeningContext,
  place: KafkaPlace,
  shape: LogShape | undefined,
): Promise<TopicFacts | undefined> {
  const { topic, partition } = place;
  if (shape !== undefined) {
    await topics.ensure(topic, shape);
  }
  const isLed = (): boolean => shape === undefined || cluster.leaderOf(place) !== undefined;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const facts = await topics.find(topic);
    if (facts !== undefined && facts.partitions > partition && isLed()) {
      return facts;
    }
    await sleep(timers, ATTEMPT_PAUSE_MS);
  }
  if (shape !== undefined) {
    throw missing(topic);
  }
  return undefined;
}

interface LanesOpening {
  readonly places: readonly KafkaPlace[];
  readonly state: PartitionStore;
  readonly gate: OpeningGate;
}

/** Where a lane stands. */
interface LanePosition {
  readonly place: KafkaPlace;
  readonly firstOffset: number;
  readonly nextOffset: number;
  /** One above the last record that was there before the opening. */
  readonly endBefore: number;
  readonly format: RecordFormat;
}

interface OpenedLanes {
  readonly positions: readonly LanePosition[];
  readonly publishesOf: (lanes: readonly KafkaLog[]) => ProducerState;
}

/** The lanes of an attached topic, as they are. */
async function findLanes({ cluster }: OpeningContext, { places, state }: LanesOpening): Promise<OpenedLanes> {
  const format = attachedFormat(state.receiptKey);
  const find = async (place: KafkaPlace): Promise<LanePosition> => {
    const firstOffset = (await cluster.offset(place, 'earliest')) ?? 0;
    const nextOffset = (await cluster.offset(place, 'latest')) ?? 0;
    return { place, firstOffset, nextOffset, endBefore: nextOffset, format };
  };
  return { positions: await Promise.all(places.map(find)), publishesOf: () => new ForgottenProducers() };
}

/** The lanes of a topic of Hermes' own, from here on without what older owners append. */
async function fenceLanes(context: OpeningContext, { places, state, gate }: LanesOpening): Promise<OpenedLanes> {
  const known = decodeHandover(await state.producers.load());
  const fenced = await Promise.all(
    places.map(async (place, lane) => {
      const offset = await appendFence(context, place, { state, gate });
      const firstOffset = (await context.cluster.offset(place, 'earliest')) ?? 0;
      const fences = withFence(known.fences[lane] ?? [], { offset, epoch: state.epoch }, firstOffset);
      return { place, firstOffset, fences, offset };
    }),
  );
  const fences = fenced.map((lane) => lane.fences);
  await written('the fences', state.producers.save(encodeHandover({ ...known, fences })));
  return {
    positions: fenced.map(({ place, firstOffset, offset, fences: ofLane }) => ({
      ...{ place, firstOffset, nextOffset: offset + 1, endBefore: offset, format: ownFormat(state.epoch, ofLane) },
    })),
    publishesOf: (lanes) => new KafkaProducerState(state.producers, lanes, fences),
  };
}

/** Everything that was acknowledged before lies below the fence record, whose offset this is. */
async function appendFence(
  { cluster, producers, timers }: OpeningContext,
  place: KafkaPlace,
  { state, gate }: Pick<LanesOpening, 'state' | 'gate'>,
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

/**
 * From now on their topics must be there. Nothing in them was a schedule, though that of others may be much: nobody has to
 * look for schedules in it. Rejects with StoreError.
 */
async function markNew({ schedule }: PartitionStore, lanes: readonly KafkaLog[]): Promise<void> {
  const isUnused = (lane: number): boolean => schedule.nextId === 1 && schedule.marks[lane] === 0;
  const added = lanes.filter(({ lane, attached }) => lane >= schedule.marks.length || (attached && isUnused(lane)));
  if (added.length === 0) {
    return;
  }
  const marks = added.map(({ lane, nextOffset: offset }) => ({ kind: 'mark', mark: { lane, offset } }) as const);
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

async function loadGroups({ groupState }: PartitionStore): Promise<readonly GroupSnapshot[]> {
  const ids = await groupState.groupIds();
  const loaded = await Promise.all(ids.map((groupId) => groupState.load(groupId)));
  return loaded.filter((snapshot) => snapshot !== undefined);
}

/** One above the highest offset that any group has settled, by lane. */
function highestFloors(groups: readonly GroupSnapshot[], lanes: number): readonly number[] {
  const highest = new Array<number>(lanes).fill(0);
  for (const { lane, floor, settled } of groups.flatMap((group) => group.lanes)) {
    highest[lane] = Math.max(highest[lane] ?? 0, settled.at(-1)?.to ?? floor);
  }
  return highest;
}

function shapeOf({ partition, shape }: OpenPartitionRequest): LogShape {
  if (shape !== undefined && shape.partitions <= partition) {
    throw new StoreError('unavailable', `partition ${partition} of a topic that has ${shape.partitions}`);
  }
  return shape ?? { partitions: partition + 1 };
}
