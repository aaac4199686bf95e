import { brokerConfig } from '@hermes/broker';
import { gatewayConfig } from '@hermes/gateway';
import { LOG_LEVELS, processConfig, setting } from '@hermes/kit';
import { metaServerConfig } from '@hermes/meta-server';
import { z } from 'zod';

const { metadataUrl, ...metaServer } = metaServerConfig.shape;

/** The settings of `hermes up`: those of its three servers, which share one process and one data directory. */
export const upConfig = processConfig({
  ...metaServer,
  ...brokerConfig.shape,
  ...gatewayConfig.shape,
  metadataUrl: setting(metadataUrl.unwrap().optional(), {
    description: 'The metadata database; meta.db in the data directory if unset.',
  }),
  logLevel: setting(z.enum(LOG_LEVELS).default('warn'), { description: 'How much is logged, on standard error.' }),
});

/** The configuration of `hermes up`. */
export type UpConfig = z.output<typeof upConfig>;
