import { describeConfig } from '@hermes/kit';
import { SERVERS, type ServerName } from '../servers/servers.js';

/** What a flag of a server command needs of its setting. */
export interface SettingRow {
  readonly flag: string;
  readonly type: string;
  readonly description: string;
  readonly unit?: string;
  readonly fallback?: string;
}

/** A server's settings as rows for its help, without those that come later. */
export async function settingRows(command: string): Promise<SettingRow[]> {
  const schema =
    command === 'up' ? (await import('./up-settings.js')).upConfig : (await SERVERS[command as ServerName]()).schema;
  return describeConfig(schema)
    .filter(({ key }) => !LATER.has(key) && !(command === 'up' && key === 'metaServers'))
    .map(({ flag, type, description, unit, default: fallback }) => ({
      flag,
      type: type === 'array' ? 'list' : type,
      description,
      ...(unit === undefined ? {} : { unit }),
      ...(fallback === undefined || fallback === false
        ? {}
        : { fallback: Array.isArray(fallback) ? fallback.join(',') : JSON.stringify(fallback) }),
    }));
}

const LATER = new Set(['tlsCertFile', 'tlsKeyFile', 'tlsCaFile', 'tokensFile', 'tokenFile', 'gatewayHttpPort']);
