import {
  type DiscardDeadLettersResponse,
  invalidField,
  LIMITS,
  type ListDeadLettersRequest,
  type ListDeadLettersResponse,
  parseMessageId,
  PartitionServiceService,
  type RedriveDeadLettersRequest,
} from '@hermes/contracts';
import { atOwner, readFromOwner, type RoutingDeps } from './call-owner.js';
import { type Method } from './channels.js';
import { type CallLimits } from './environment.js';
import { partitionByPartition } from './partition-by-partition.js';

const PARTITION_OF_TOKEN = /^(\d{1,4})\./;

/** Redrive and Discard have the same fields. */
type MoveMethod = Method<RedriveDeadLettersRequest, DiscardDeadLettersResponse>;

/** A page of dead letters; goes on to the next partition's owner where one has no more. */
export async function listDeadLetters(
  deps: RoutingDeps,
  request: ListDeadLettersRequest,
  count: number,
  limits: CallLimits,
): Promise<ListDeadLettersResponse> {
  const { topic } = request;
  let pageToken = request.pageToken;
  for (let partition = partitionOf(pageToken, count); partition < count; partition += 1) {
    const asked = { ...request, pageToken: pageToken === '' ? beginningOf(partition) : pageToken };
    const call = { method: PartitionServiceService.listDeadLetters, request: asked };
    const { deadLetters, nextPageToken } = await readFromOwner(deps, { topic, partition }, limits, call);
    // A page is of one partition: another one's, which the same broker may own, comes in its turn.
    const own = deadLetters.filter(({ messageId }) => parseMessageId(messageId)?.partition === partition);
    const isGoingOn = nextPageToken !== '' && partitionOf(nextPageToken, count) === partition;
    const next = isGoingOn ? nextPageToken : partition + 1 < count ? beginningOf(partition + 1) : '';
    if (own.length > 0 || isGoingOn) {
      return { deadLetters: own, nextPageToken: next };
    }
    pageToken = '';
  }
  return { deadLetters: [], nextPageToken: '' };
}

/** Redrives or discards; may be repeated, since what is done is not there any more. A failure names what is done. */
export async function moveDeadLetters(
  deps: RoutingDeps,
  method: MoveMethod,
  request: RedriveDeadLettersRequest,
  context: { readonly count: number; readonly limits: CallLimits },
): Promise<DiscardDeadLettersResponse> {
  const { count, limits } = context;
  const byIds = request.messageIds.length > 0 && request.filter === '' && !request.all;
  const targets = byIds ? idsByPartition(request, count) : everyPartition(request, count);
  const done = new Set<number>();
  const total = { count: 0, remaining: 0 };
  await partitionByPartition([...targets.keys()], async (partition) => {
    if (done.has(partition)) {
      return;
    }
    const asked = targets.get(partition) ?? request;
    const target = { topic: request.topic, partition };
    const moved = await atOwner(deps, target, limits, async (endpoint) => {
      const response = await deps.channels.unary(endpoint, method, asked, limits);
      done.add(partition);
      // What is not chosen by ids an owner does for all its partitions at once.
      for (const other of byIds ? [] : targets.keys()) {
        if (deps.router.endpointOf(request.topic, other) === endpoint) {
          done.add(other);
        }
      }
      return response;
    });
    total.count += moved.count;
    total.remaining += moved.remaining;
  });
  return total;
}

function everyPartition(request: RedriveDeadLettersRequest, count: number): Map<number, RedriveDeadLettersRequest> {
  return new Map(Array.from({ length: count }, (_, partition) => [partition, request]));
}

function idsByPartition(request: RedriveDeadLettersRequest, count: number): Map<number, RedriveDeadLettersRequest> {
  const { messageIds, topic } = request;
  if (messageIds.length > LIMITS.deadLetterIds) {
    throw invalidField('message_ids', `at most ${LIMITS.deadLetterIds}`);
  }
  const ids = new Map<number, string[]>();
  for (const [index, text] of messageIds.entries()) {
    const id = parseMessageId(text);
    if (id?.topic !== topic || id.partition >= count) {
      throw invalidField(`message_ids[${index}]`, `a message of topic ${topic}`);
    }
    ids.set(id.partition, [...(ids.get(id.partition) ?? []), text]);
  }
  return new Map([...ids].map(([partition, own]) => [partition, { ...request, messageIds: own }]));
}

function partitionOf(token: string, count: number): number {
  const partition = token === '' ? 0 : Number(PARTITION_OF_TOKEN.exec(token)?.[1] ?? NaN);
  if (!(partition < count)) {
    throw invalidField('page_token', 'the next_page_token of a page before');
  }
  return partition;
}

function beginningOf(partition: number): string {
  return `${partition}.0.0.0`;
}
