import { Position, SeekRequest, SeekResponse } from '@hermes/contracts';
import { type PositionFlag } from '../flags/position.js';
import { show, table } from '../output.js';
import { type Session } from '../session.js';
import { type GroupName } from './group.js';

/** hermes group seek T G POSITION: what is in flight is void, retries from there on are dropped, dead letters kept. */
export async function seekGroup(
  session: Session,
  name: GroupName,
  to: PositionFlag,
  flags: { readonly partition?: readonly number[]; readonly dryRun?: boolean },
): Promise<void> {
  const request = SeekRequest.fromPartial({
    ...name,
    to: Position.fromJSON(to),
    partitions: [...(flags.partition ?? [])],
    dryRun: flags.dryRun ?? false,
  });
  const response = await session.unary<SeekResponse>((metadata, options, done) =>
    session.partitions.seek(request, metadata, options, done),
  );
  await show(session, response, SeekResponse, ({ lanes }) =>
    table(
      ['PARTITION', 'LANE', 'FROM', 'TO'],
      lanes.map(({ partition, lane, fromOffset, toOffset }) => [partition, lane, fromOffset, toOffset]),
    ),
  );
}
