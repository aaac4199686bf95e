import { type AdminServiceService } from '@hermes/contracts';
import { type Handlers } from '@hermes/kit';

import { ClusterAdmin, type LeaderFacts, type LeaseControl } from './cluster.js';
import { DataSourceAdmin } from './data-sources.js';
import { GroupAdmin } from './groups.js';
import { type StoredCalls } from './reads.js';
import { type AdminContext, TopicAdmin } from './topics.js';

/** Calls of AdminService that need the leader: they change something, or ask for what only it knows. */
export type LeaderCalls = Omit<Handlers<typeof AdminServiceService>, keyof StoredCalls>;

/** Their handlers. */
export function leaderCalls(context: AdminContext, leases: LeaseControl, leader: LeaderFacts): LeaderCalls {
  const topics = new TopicAdmin(context);
  const groups = new GroupAdmin(context);
  const dataSources = new DataSourceAdmin(context);
  const cluster = new ClusterAdmin(leases, leader);
  return {
    createTopic: (request, call) => topics.create(request, call),
    updateTopic: (request, call) => topics.update(request, call),
    deleteTopic: (request) => topics.delete(request),
    createGroup: (request, call) => groups.create(request, call),
    updateGroup: (request, call) => groups.update(request, call),
    deleteGroup: (request) => groups.delete(request),
    createDataSource: (request) => dataSources.create(request),
    deleteDataSource: (request) => dataSources.delete(request),
    getCluster: (request) => cluster.getCluster(request),
    listPartitions: (request) => cluster.listPartitions(request),
    drainBroker: (request) => cluster.drainBroker(request),
    movePartition: (request, call) => cluster.movePartition(request, call),
    rebalance: (request) => cluster.rebalance(request),
  };
}
