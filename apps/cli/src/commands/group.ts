import {
  CreateGroupRequest,
  CreateGroupResponse,
  DescribeGroupResponse,
  GetGroupResponse,
  type Group,
  GroupState,
  ListGroupsRequest,
  ListGroupsResponse,
  UpdateGroupRequest,
  UpdateGroupResponse,
} from '@hermes/contracts';
import { type GroupFlags } from '../flags/resource-flags.js';
import { EMPTY, facts, show, table, timeText } from '../output.js';
import { type Session } from '../session.js';
import { requireChange } from './require-change.js';
import { changesRetry, groupOf, modeWord, positionWord, retryWords, updateMask, words } from './resource-fields.js';

/** A group's full name. */
export interface GroupName {
  readonly topic: string;
  readonly group: string;
}

/** hermes group create T G */
export async function createGroup(session: Session, { topic, group }: GroupName, flags: GroupFlags): Promise<void> {
  const request = CreateGroupRequest.fromPartial({ group: groupOf(topic, group, flags) });
  const response = await session.unary<CreateGroupResponse>((metadata, options, done) =>
    session.admin.createGroup(request, metadata, options, done),
  );
  await show(session, response, CreateGroupResponse, ({ group: made }) => groupFacts(made));
}

/** hermes group update T G: only what is given changes. */
export async function updateGroup(session: Session, name: GroupName, flags: GroupFlags): Promise<void> {
  const before = changesRetry(flags) ? (await getGroup(session, name)).group : undefined;
  const group = groupOf(name.topic, name.group, flags, before);
  const paths = requireChange(updateMask(group));
  const request = UpdateGroupRequest.fromPartial({ group, updateMask: paths });
  const response = await session.unary<UpdateGroupResponse>((metadata, options, done) =>
    session.admin.updateGroup(request, metadata, options, done),
  );
  await show(session, response, UpdateGroupResponse, ({ group: now }) => groupFacts(now));
}

/** hermes group describe T G: its settings, then its progress and its consumers. */
export async function describeGroup(session: Session, name: GroupName): Promise<void> {
  const response = await getGroup(session, name);
  await show(session, response, GetGroupResponse, ({ group }) => groupFacts(group));
  const progress = await session.unary<DescribeGroupResponse>((metadata, options, done) =>
    session.partitions.describeGroup(name, metadata, options, done),
  );
  await show(session, progress, DescribeGroupResponse, progressLines);
}

/** hermes group delete T G */
export async function deleteGroup(
  session: Session,
  { topic, group }: GroupName,
  flags: { readonly force?: boolean; readonly etag?: string },
): Promise<void> {
  const request = { topic, group, etag: flags.etag ?? '', force: flags.force ?? false };
  const response = await session.unary((metadata, options, done) =>
    session.admin.deleteGroup(request, metadata, options, done),
  );
  await show(session, response, EMPTY, () => [`group ${group} of ${topic} is deleted`]);
}

/** hermes group list T */
export async function listGroups(session: Session, topic: string): Promise<void> {
  const found: Group[] = [];
  let pageToken = '';
  do {
    const request = ListGroupsRequest.fromPartial({ topic, pageToken });
    const page = await session.unary<ListGroupsResponse>((metadata, options, done) =>
      session.admin.listGroups(request, metadata, options, done),
    );
    pageToken = page.nextPageToken;
    found.push(...page.groups);
  } while (pageToken !== '');
  await show(session, { groups: found, nextPageToken: '' }, ListGroupsResponse, ({ groups }) =>
    groupTable(topic, groups),
  );
}

function getGroup(session: Session, name: GroupName): Promise<GetGroupResponse> {
  return session.unary((metadata, options, done) => session.admin.getGroup(name, metadata, options, done));
}

function groupTable(topic: string, groups: readonly Group[]): string[] {
  if (groups.length === 0) {
    return [`no groups yet – create one with \`hermes group create ${topic} GROUP\``];
  }
  return table(
    ['GROUP', 'MODE', 'ACK DEADLINE', 'RETRY', 'PAUSED'],
    groups.map((group) => [
      group.name,
      modeWord(group.mode),
      words(group.ackDeadline),
      retryWords(group.retry),
      group.paused ? 'yes' : 'no',
    ]),
  );
}

function groupFacts(group: Group | undefined): string[] {
  if (group === undefined) {
    return [];
  }
  return facts([
    ['group', group.name],
    ['topic', group.topic],
    ['mode', modeWord(group.mode)],
    ['start', positionWord(group.start)],
    ['ack deadline', words(group.ackDeadline)],
    ['retry', retryWords(group.retry)],
    ['filter', group.filter],
    ['paused', group.paused ? 'yes' : 'no'],
    ['state', group.state === GroupState.CREATING ? 'creating' : 'active'],
    ['created', timeText(group.createdAt)],
    ['etag', group.etag],
  ]);
}

function progressLines({ lanes, consumers }: DescribeGroupResponse): string[] {
  return [
    '',
    ...table(
      ['PARTITION', 'LANE', 'FLOOR', 'NEXT', 'LAG', 'IN FLIGHT', 'RETRYING', 'DEAD LETTERS', 'SKIPPED'],
      lanes.map((lane) => [
        ...[lane.partition, lane.lane, lane.floor, lane.nextOffset],
        ...[lane.lag, lane.inFlight, lane.retrying, lane.deadLetters, lane.skipped],
      ]),
    ),
    '',
    ...(consumers.length === 0
      ? ['no consumers']
      : table(
          ['CONSUMER', 'PARTITIONS', 'IN FLIGHT'],
          consumers.map(({ consumer, partitions, inFlight }) => [consumer, partitions.join(','), inFlight]),
        )),
  ];
}
