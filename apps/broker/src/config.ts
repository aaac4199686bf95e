import { LIMITS } from '@hermes/contracts';
import { portSetting, processConfig, setting } from '@hermes/kit';
import { checkMetadataUrl } from '@hermes/metadata';
import { z } from 'zod';

const MIB = 1024 * 1024;
const WEIGHT = LIMITS.brokerWeight;

/** Below it single batches would not fit; above it, Node's heap limits are nearer than the cache's. */
const CACHE_BYTES = { min: 8 * MIB, max: 64 * 1024 * MIB, default: 256 * MIB };

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const nameRule = { error: "must be a letter or digit, then letters, digits, '.', '_', '-'; at most 128" };

/** The broker's settings. */
export const brokerConfig = processConfig({
  brokerPort: portSetting(4376, 'Port for gRPC.'),
  brokerOpsPort: portSetting(9476, 'Port for /metrics, /livez and /readyz.'),
  brokerName: setting(z.string().regex(NAME, nameRule).optional(), {
    description: 'Name of the broker, the same after a restart; host name and port if unset.',
  }),
  brokerGroup: setting(z.string().regex(NAME, nameRule).default('default'), {
    description: 'Broker group: topics name the one that may own them.',
  }),
  zone: setting(z.string().regex(NAME, nameRule).optional(), {
    description: 'Failure zone; partitions are spread over zones.',
  }),
  brokerWeight: setting(z.number().min(WEIGHT.min).max(WEIGHT.max).default(WEIGHT.default), {
    description: 'Share of the partitions, in proportion to that of other brokers.',
  }),
  dataDir: setting(z.string().min(1).default('hermes-data'), { description: 'Directory of the embedded storage.' }),
  metadataUrl: setting(z.string().superRefine(checkMetadataUrl).optional(), {
    description:
      'The metadata database, mysql://USER@HOST:PORT/DATABASE: keeps leases while no meta-server answers, and state beside Kafka.',
  }),
  metadataPasswordFile: setting(z.string().min(1).optional(), {
    description: 'File whose first line is the password of the metadata database.',
  }),
  cacheBytes: setting(z.number().int().min(CACHE_BYTES.min).max(CACHE_BYTES.max).default(CACHE_BYTES.default), {
    description: 'Memory for records that were just appended or read.',
    unit: 'bytes',
  }),
});

/** The broker's configuration, complete. */
export type BrokerConfig = z.output<typeof brokerConfig>;
