import { brokerConfig } from '@hermes/broker';
import { crash, EXIT_CODE, type ExitCode, loadConfig } from '@hermes/kit';
import { brokerProcesses } from '../supervisor/broker-processes.js';
import { Supervisor } from '../supervisor/supervisor.js';
import { type Terminal } from '../terminal.js';
import { printSettings, run, type SettingFlags } from './serve.js';

/** hermes broker --processes N: keeps N brokers running until SIGTERM or Ctrl-C. */
export async function supervise(terminal: Terminal, count: number, flags: SettingFlags): Promise<ExitCode> {
  const { printConfig, ...settings } = flags;
  // Mistakes are told once, before anything is started.
  const config = loadConfig({ schema: brokerConfig, flags: settings, env: terminal.env });
  const processes = brokerProcesses(count, config, settings);
  if (printConfig === true) {
    await printSettings(terminal, config);
    return EXIT_CODE.OK;
  }
  const { logLevel: level, drainMs } = config;
  return run(terminal, { component: 'supervisor', level, drainMs }, (logger) => {
    const supervisor = new Supervisor({ program: process.argv[1] ?? '', processes, logger, onFatal: crash });
    supervisor.start();
    return Promise.resolve(supervisor);
  });
}
