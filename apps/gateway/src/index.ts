export { Gateway, type GatewayDeps, startGateway } from './app.js';
export { type GatewayConfig, gatewayConfig } from './config.js';
