import { AdminServiceService, CoordinationServiceService } from '@hermes/contracts';
import { type GrpcServer } from '@hermes/kit';
import { type MetadataReads } from '@hermes/metadata';

import { type LeaderCalls } from './admin/handlers.js';
import { storedCalls } from './admin/reads.js';
import { type Election } from './election.js';

/** Adds what a meta-server answers: what is stored by any of them, the rest by the leader, to whom others refer. */
export function addServices(server: GrpcServer, reads: MetadataReads, election: Election): void {
  const stored = storedCalls(reads, (dataSource) => election.term?.cluster.healthOf(dataSource) ?? []);
  server.add(AdminServiceService, { ...referred(stored, election), ...stored });
  server.add(CoordinationServiceService, {
    holdBrokerLease: async (stream) => election.leading().coordination.holdBrokerLease(stream),
    holdConsumerLease: async (stream) => election.leading().coordination.holdConsumerLease(stream),
    watchRoutes: async (request, stream) => election.leading().coordination.watchRoutes(request, stream),
  });
}

/** Every other call of AdminService, by the term that runs when it comes. */
function referred(stored: object, election: Election): LeaderCalls {
  const names = Object.keys(AdminServiceService).filter((name) => !(name in stored)) as (keyof LeaderCalls)[];
  const handlers = names.map((name): [string, AnyCall] => [
    name,
    async (request, call) => (election.leading().admin[name] as AnyCall)(request, call),
  ]);
  return Object.fromEntries(handlers) as unknown as LeaderCalls;
}

type AnyCall = (request: unknown, call: unknown) => Promise<unknown>;
