import { type ServerKind } from './server-kind.js';

/** The three servers; each is loaded only when it is asked for. */
export const SERVERS = {
  'meta-server': async (): Promise<ServerKind> => (await import('./meta-server.js')).metaServer,
  broker: async (): Promise<ServerKind> => (await import('./broker.js')).broker,
  gateway: async (): Promise<ServerKind> => (await import('./gateway.js')).gateway,
} as const;

/** `meta-server`, `broker` or `gateway`. */
export type ServerName = keyof typeof SERVERS;
