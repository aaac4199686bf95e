import { gatewayConfig, startGateway } from '@hermes/gateway';
import { serverKind } from './server-kind.js';

/** hermes gateway */
export const gateway = serverKind(gatewayConfig, startGateway);
