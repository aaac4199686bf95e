import {
  type AdminServiceService,
  checkName,
  checkTopicName,
  invalidField,
  LIMITS,
  type MovePartitionRequest,
  notImplemented,
} from '@hermes/contracts';
import { type Handlers, notImplementedHandler } from '@hermes/kit';

import { refuse } from './field-check.js';

type LaterCall = 'movePartition' | 'rebalance';

/** Calls of the contract that a later release brings. */
export const laterCalls: Pick<Handlers<typeof AdminServiceService>, LaterCall> = {
  movePartition: (request) => Promise.resolve(movePartition(request)),
  rebalance: notImplementedHandler('Rebalance'),
};

function movePartition({ topic, partition, broker }: MovePartitionRequest): never {
  refuse(checkTopicName(topic));
  refuse(checkName(broker, 'broker'));
  if (partition < 0 || partition >= LIMITS.partitions.max) {
    throw invalidField('partition', `0 to ${LIMITS.partitions.max - 1}`);
  }
  throw notImplemented('MovePartition');
}
