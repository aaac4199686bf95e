import {
  checkName,
  durationFromMs,
  type HoldBrokerLeaseRequest_Register,
  type HoldBrokerLeaseResponse,
  invalidField,
  LIMITS,
} from '@hermes/contracts';
import { type BrokerGrantEffect, type BrokerRegistration, type BrokerRevokeEffect } from '@hermes/coordination';

import { refuse } from '../admin/field-check.js';
import { BROKER_GROUP_DEFAULT } from '../admin/topic-spec.js';
import { PARTITIONS_TOTAL_MAX } from '../admin/topics.js';
import { assignmentFrame, heldPartitions } from './assignment-frame.js';
import { checkEndpoint } from './endpoint.js';

/** Host names are at most this long. */
const HOST_BYTES_MAX = 255;

/** What a broker says of itself, checked; INVALID_FIELD names what is wrong. */
export function brokerRegistration(given: HoldBrokerLeaseRequest_Register): BrokerRegistration {
  refuse(checkName(given.broker, 'register.broker'));
  refuse(checkEndpoint('register.endpoint', given.endpoint));
  checkOptionalName('register.zone', given.zone);
  checkOptionalName('register.broker_group', given.brokerGroup);
  checkOptionalName('register.data_directory', given.dataDirectory);
  if (given.incarnation === 0) {
    throw invalidField('register.incarnation', 'a random number of the process, not 0');
  }
  if (Buffer.byteLength(given.host) > HOST_BYTES_MAX) {
    throw invalidField('register.host', `at most ${HOST_BYTES_MAX} bytes`);
  }
  if (given.capacity < 0) {
    throw invalidField('register.capacity', 'not negative; 0 = any number');
  }
  const { brokerWeight } = LIMITS;
  if (given.weight !== 0 && !(given.weight >= brokerWeight.min && given.weight <= brokerWeight.max)) {
    throw invalidField('register.weight', `${brokerWeight.min} to ${brokerWeight.max}; 0 = ${brokerWeight.default}`);
  }
  return {
    broker: given.broker,
    incarnation: given.incarnation,
    endpoint: given.endpoint,
    host: given.host,
    zone: given.zone,
    brokerGroup: given.brokerGroup === '' ? BROKER_GROUP_DEFAULT : given.brokerGroup,
    weight: given.weight === 0 ? brokerWeight.default : given.weight,
    capacity: given.capacity,
    dataDirectory: given.dataDirectory,
    held: heldPartitions('register.held', given.held, PARTITIONS_TOTAL_MAX),
  };
}

/** A grant or a revoke on the wire. */
export function brokerFrame(effect: BrokerGrantEffect | BrokerRevokeEffect): HoldBrokerLeaseResponse {
  if (effect.kind === 'revoke') {
    const { assignment, graceMs } = effect;
    const value = { assignment: assignmentFrame(assignment), grace: durationFromMs(graceMs), member: 0 };
    return { kind: { $case: 'revoke', value } };
  }
  const { ttlMs, sequence, changed, assignments } = effect;
  const value = {
    ...{ sequence, changed, member: 0 },
    ttl: durationFromMs(ttlMs),
    assignments: assignments.map(assignmentFrame),
  };
  return { kind: { $case: 'grant', value } };
}

function checkOptionalName(field: string, name: string): void {
  if (name !== '') {
    refuse(checkName(name, field));
  }
}
