import { millisSetting, portSetting, processConfig, setting } from '@hermes/kit';
import { checkMetadataUrl } from '@hermes/metadata';
import { z } from 'zod';

import { STORAGE_CLASSES } from './storage-classes.js';

/** A lease must outlive a few lost heartbeats (ttl/3), and a dead broker must not block its partitions for hours. */
const LEASE_TTL_MS = { min: 300, max: 3_600_000, default: 10_000 };

const STORAGE_CLASS_NAMES = Object.keys(STORAGE_CLASSES) as (keyof typeof STORAGE_CLASSES)[];

/** The meta-server's settings. */
export const metaServerConfig = processConfig({
  metaPort: portSetting(4370, 'Port for gRPC.'),
  metaOpsPort: portSetting(9470, 'Port for /metrics, /livez and /readyz.'),
  metadataUrl: setting(z.string().superRefine(checkMetadataUrl).default('sqlite:hermes-data/meta.db'), {
    description: 'The metadata database: sqlite:PATH or mysql://USER@HOST:PORT/DATABASE.',
  }),
  metadataPasswordFile: setting(z.string().min(1).optional(), {
    description: 'File whose first line is the password of the metadata database.',
  }),
  brokerLeaseTtlMs: millisSetting(LEASE_TTL_MS.default, {
    description: 'How long a broker owns its partitions after its last heartbeat.',
    minMs: LEASE_TTL_MS.min,
    maxMs: LEASE_TTL_MS.max,
  }),
  consumerLeaseTtlMs: millisSetting(LEASE_TTL_MS.default, {
    description: 'How long a consumer holds its partitions after its last heartbeat.',
    minMs: LEASE_TTL_MS.min,
    maxMs: LEASE_TTL_MS.max,
  }),
  defaultStorageClass: setting(z.enum(STORAGE_CLASS_NAMES).default('embedded'), {
    description: 'Storage class of topics that name none.',
  }),
});

/** The meta-server's configuration, complete. */
export type MetaServerConfig = z.output<typeof metaServerConfig>;
