/** `brokerPort` → `HERMES_BROKER_PORT` */
export function envName(key: string): string {
  return `HERMES_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** `brokerPort` → `--broker-port` */
export function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * Every setting of every process. One file and one environment serve all of them, so a process passes over the
 * settings of the others; what is on no list is a typing error and refused.
 */
export const SETTING_KEYS: readonly string[] = [
  ...['host', 'advertiseHost', 'insecure', 'reflection', 'logLevel', 'config', 'metaServers', 'drainMs'],
  ...['tlsCertFile', 'tlsKeyFile', 'tlsCaFile', 'tokensFile', 'tokenFile'],
  ...['metaPort', 'metaOpsPort', 'brokerPort', 'brokerOpsPort', 'gatewayPort', 'gatewayOpsPort', 'gatewayHttpPort'],
  ...['metadataUrl', 'metadataPasswordFile', 'brokerLeaseTtlMs', 'consumerLeaseTtlMs', 'defaultStorageClass'],
  ...['brokerName', 'brokerGroup', 'brokerWeight', 'zone', 'dataDir', 'cacheBytes'],
  ...['server', 'timeout', 'caFile'],
];
