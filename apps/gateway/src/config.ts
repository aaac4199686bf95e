import { laterSetting, portSetting, processConfig } from '@hermes/kit';
import { type z } from 'zod';

/** The gateway's settings. */
export const gatewayConfig = processConfig({
  gatewayPort: portSetting(4380, 'Port for gRPC.'),
  gatewayOpsPort: portSetting(9480, 'Port for /metrics, /livez and /readyz.'),
  gatewayHttpPort: laterSetting('Port for HTTP/JSON.'),
});

/** The gateway's configuration, complete. */
export type GatewayConfig = z.output<typeof gatewayConfig>;
