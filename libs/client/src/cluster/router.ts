import { type HermesError } from '@hermes/contracts';
import { type RouteListener, type RouteTable } from './route-table.js';

/** Knows where calls for a partition go. */
export interface Router {
  /** Number of partitions; undefined: the topic is not known, or the other side splits by partition itself. */
  partitionsOf(topic: string): number | undefined;
  /** host:port of the partition's owner; undefined: none is known now. */
  endpointOf(topic: string, partition: number | undefined): string | undefined;
  /** Another one with each owner that is told, also where the same broker has it anew. */
  ownershipOf(topic: string, partition: number | undefined): string;
  /** True unless the partition is known to have no owner at present. */
  isOwned(topic: string, partition: number): boolean;
  /** Takes note of a NOT_OWNER. */
  learn(topic: string, partition: number | undefined, error: HermesError): void;
  onChange(listener: RouteListener): () => void;
}

/** Routes to the owners by a RouteTable. */
export function routerOf(table: RouteTable): Router {
  return {
    partitionsOf: (topic) => table.topic(topic)?.length,
    endpointOf: (topic, partition) => {
      const endpoint = table.route(topic, partition ?? -1)?.endpoint;
      return endpoint === '' ? undefined : endpoint;
    },
    ownershipOf: (topic, partition) => {
      const { endpoint, epoch } = table.route(topic, partition ?? -1) ?? { endpoint: '', epoch: 0 };
      return `${endpoint}@${epoch}`;
    },
    isOwned: (topic, partition) => table.route(topic, partition)?.owned === true,
    learn: (topic, partition, error) => {
      if (partition !== undefined && error.code === 'NOT_OWNER') {
        table.learn(topic, partition, error);
      }
    },
    onChange: (listener) => table.onChange(listener),
  };
}

/** Routes everything to a gateway, which does the rest. */
export function gatewayRouter(endpoint: string): Router {
  return {
    partitionsOf: () => undefined,
    endpointOf: () => endpoint,
    ownershipOf: () => endpoint,
    isOwned: () => true,
    learn: () => undefined,
    onChange: () => () => undefined,
  };
}
