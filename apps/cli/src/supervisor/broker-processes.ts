import { EXIT_CODE, ExitError, flagName } from '@hermes/kit';
import { type SupervisedProcess } from './supervisor.js';

/** What of a broker's configuration must differ between brokers of one machine. */
interface BrokerPlace {
  readonly brokerPort: number;
  readonly brokerOpsPort: number;
  readonly brokerName?: string | undefined;
  readonly dataDir: string;
}

/**
 * `count` brokers on consecutive ports, each with a name and a data directory of its own: the first has what is
 * configured, the nth has `-n` behind it. All else they share: `flags` are those of the command, by key.
 */
export function brokerProcesses(
  count: number,
  config: BrokerPlace,
  flags: Readonly<Record<string, unknown>>,
): SupervisedProcess[] {
  const { brokerPort, brokerOpsPort, brokerName, dataDir } = config;
  const last = Math.max(brokerPort, brokerOpsPort) + count - 1;
  const apart = Math.abs(brokerPort - brokerOpsPort);
  if (brokerPort === 0 || brokerOpsPort === 0 || last > 65_535 || apart < count) {
    const message = `--processes ${count} needs that many ports from --broker-port and from --broker-ops-port on`;
    throw new ExitError(EXIT_CODE.USAGE, message);
  }
  return Array.from({ length: count }, (_, nth) => {
    const suffix = nth === 0 ? '' : `-${nth}`;
    const own: Readonly<Record<string, unknown>> = {
      ...flags,
      brokerPort: brokerPort + nth,
      brokerOpsPort: brokerOpsPort + nth,
      dataDir: `${dataDir}${suffix}`,
      ...(brokerName === undefined ? {} : { brokerName: `${brokerName}${suffix}` }),
    };
    const args = Object.entries(own).flatMap(([key, value]) =>
      value === true ? [flagName(key)] : [flagName(key), String(value)],
    );
    return { name: `broker on port ${brokerPort + nth}`, args: ['broker', ...args] };
  });
}
