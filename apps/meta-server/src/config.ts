import { millisSetting, portSetting, processConfig, setting } from '@hermes/kit';
import { z } from 'zod';

/** A lease must outlive a few lost heartbeats (ttl/3), and a dead broker must not block its partitions for hours. */
const LEASE_TTL_MS = { min: 300, max: 3_600_000, default: 10_000 };

/** The storage classes by their names in configurations. */
export const STORAGE_CLASSES = ['embedded', 'mysql', 'kafka'] as const;

/** The meta-server's settings. */
export const metaServerConfig = processConfig({
  metaPort: portSetting(4370, 'Port for gRPC.'),
  metaOpsPort: portSetting(9470, 'Port for /metrics, /livez and /readyz.'),
  metadataUrl: setting(
    z
      .string()
      .regex(/^sqlite:.+/, { error: 'must be sqlite:PATH; other databases are not implemented in this release' })
      .default('sqlite:hermes-data/meta.db'),
    { description: 'The metadata database.' },
  ),
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
  defaultStorageClass: setting(
    z
      .enum(STORAGE_CLASSES)
      .default('embedded')
      .refine((name) => name === 'embedded', { error: 'only embedded is implemented in this release' }),
    { description: 'Storage class of topics that name none.' },
  ),
});

/** The meta-server's configuration, complete. */
export type MetaServerConfig = z.output<typeof metaServerConfig>;
