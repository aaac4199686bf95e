import { type MovePartitionRequest, MovePartitionResponse, RebalanceResponse } from '@hermes/contracts';
import { show, table } from '../output.js';
import { type Session } from '../session.js';

/** hermes partition move T P B: returns once B serves it. */
export async function movePartition(session: Session, request: MovePartitionRequest): Promise<void> {
  const response = await session.unary<MovePartitionResponse>((metadata, options, done) =>
    session.admin.movePartition(request, metadata, options, done),
  );
  const { topic, partition, broker } = request;
  await show(session, response, MovePartitionResponse, ({ epoch }) => [
    `partition ${partition} of ${topic} is served by ${broker}, at epoch ${epoch}`,
  ]);
}

/** hermes rebalance */
export async function rebalance(session: Session, dryRun: boolean): Promise<void> {
  const response = await session.unary<RebalanceResponse>((metadata, options, done) =>
    session.admin.rebalance({ dryRun }, metadata, options, done),
  );
  await show(session, response, RebalanceResponse, ({ moves }) =>
    moves.length === 0
      ? ['nothing to move']
      : table(
          ['TOPIC', 'PARTITION', 'FROM', 'TO'],
          moves.map((move) => [move.topic, move.partition, move.fromBroker, move.toBroker]),
        ),
  );
}
