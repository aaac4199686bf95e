import { type AdminServiceService } from '@hermes/contracts';
import { type Handlers } from '@hermes/kit';

import { ClusterAdmin, type Leader, type LeaseControl } from './cluster.js';
import { DataSourceAdmin } from './data-sources.js';
import { GroupAdmin } from './groups.js';
import { type AdminContext, TopicAdmin } from './topics.js';

/** AdminService's handlers. */
export function adminHandlers(
  context: AdminContext,
  leases: LeaseControl,
  leader: () => Leader,
): Handlers<typeof AdminServiceService> {
  const topics = new TopicAdmin(context);
  const groups = new GroupAdmin(context);
  const dataSources = new DataSourceAdmin(context);
  const cluster = new ClusterAdmin(leases, leader);
  return {
    createTopic: (request, call) => topics.create(request, call),
    getTopic: (request) => topics.get(request),
    listTopics: (request) => topics.list(request),
    updateTopic: (request, call) => topics.update(request, call),
    deleteTopic: (request) => topics.delete(request),
    createGroup: (request, call) => groups.create(request, call),
    getGroup: (request) => groups.get(request),
    listGroups: (request) => groups.list(request),
    updateGroup: (request, call) => groups.update(request, call),
    deleteGroup: (request) => groups.delete(request),
    createDataSource: (request) => dataSources.create(request),
    getDataSource: (request) => dataSources.get(request),
    listDataSources: (request) => dataSources.list(request),
    deleteDataSource: (request) => dataSources.delete(request),
    getCluster: () => cluster.getCluster(),
    listPartitions: (request) => cluster.listPartitions(request),
    drainBroker: (request) => cluster.drainBroker(request),
    movePartition: (request, call) => cluster.movePartition(request, call),
    rebalance: (request) => cluster.rebalance(request),
  };
}
