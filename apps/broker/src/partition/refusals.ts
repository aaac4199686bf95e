import { HermesError, invalidField } from '@hermes/contracts';
import { type Catalog } from '../catalog/catalog.js';
import { type PartitionSlots } from './partition-slots.js';

const MOVING_RETRY_AFTER_MS = 100;

export interface RefusalsOptions {
  readonly slots: PartitionSlots;
  readonly catalog: Pick<Catalog, 'routes'>;
  /** This broker's host:port. */
  readonly endpoint: () => string;
  /** Whether a meta-server answers at this time. */
  readonly hasMeta: () => boolean;
}

/** Explains to callers why a partition is not served here. */
export class Refusals {
  readonly #options: RefusalsOptions;

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /**
   * Why `partition` (undefined: any) of `topic` is not served here. `field` names where it was given: a number that the
   * topic lacks is INVALID_FIELD, by what the meta-server knows at this moment, since topics grow.
   */
  async explain(topic: string, partition: number | undefined, field = 'partition'): Promise<HermesError> {
    const { slots, hasMeta } = this.#options;
    const slot = partition === undefined ? undefined : slots.find(topic, partition);
    if (slot?.state.kind === 'quarantined') {
      return new HermesError('RECORD_CORRUPT', `${place(topic, partition)} is quarantined: ${slot.state.detail}`);
    }
    if (slot !== undefined) {
      return moving(topic, partition);
    }
    if (!hasMeta()) {
      // Where the network is cut a question takes seconds, which a caller had better spend at the next owner.
      return moving(topic, partition);
    }
    try {
      return await this.#byRoutes(topic, partition, field);
    } catch {
      // No meta-server answers: the caller's own routes are as good as ours.
      return notOwner(topic, partition);
    }
  }

  async #byRoutes(topic: string, partition: number | undefined, field: string): Promise<HermesError> {
    const { catalog, endpoint } = this.#options;
    const { partitionCount, routes } = await catalog.routes(topic, partition);
    if (partitionCount === 0) {
      return new HermesError('TOPIC_NOT_FOUND', `there is no topic ${topic}`);
    }
    if (partition !== undefined && (partition < 0 || partition >= partitionCount)) {
      return invalidField(field, `0 to ${partitionCount - 1}`);
    }
    const route = partition === undefined ? [...routes.values()].find(hasOwner) : routes.get(partition);
    if (route === undefined || !hasOwner(route) || route.endpoint === endpoint()) {
      return moving(topic, partition);
    }
    return notOwner(topic, partition, { endpoint: route.endpoint, epoch: String(route.epoch) });
  }
}

function hasOwner(route: { readonly endpoint: string }): boolean {
  return route.endpoint !== '';
}

function place(topic: string, partition: number | undefined): string {
  return partition === undefined ? topic : `${topic}/${partition}`;
}

function moving(topic: string, partition: number | undefined): HermesError {
  return new HermesError('PARTITION_MOVING', `${place(topic, partition)} is being opened or moved`, {
    retryAfterMs: MOVING_RETRY_AFTER_MS,
  });
}

function notOwner(topic: string, partition: number | undefined, details: Record<string, string> = {}): HermesError {
  return new HermesError('NOT_OWNER', `this broker does not own ${place(topic, partition)}`, { details });
}
