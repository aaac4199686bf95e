import { brokerConfig, startBroker } from '@hermes/broker';
import { serverKind } from './server-kind.js';

/** hermes broker */
export const broker = serverKind(brokerConfig, startBroker);
