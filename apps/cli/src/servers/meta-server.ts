import { metaServerConfig, startMetaServer } from '@hermes/meta-server';
import { serverKind } from './server-kind.js';

/** hermes meta-server */
export const metaServer = serverKind(metaServerConfig, startMetaServer);
