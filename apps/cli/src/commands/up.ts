import { accessSync, constants, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { startBroker } from '@hermes/broker';
import { startGateway } from '@hermes/gateway';
import {
  createLogger,
  EXIT_CODE,
  type ExitCode,
  ExitError,
  loadConfig,
  runProcess,
  type RunningService,
} from '@hermes/kit';
import { startMetaServer } from '@hermes/meta-server';
import { failureOf } from '../failure.js';
import { facts } from '../output.js';
import { Session } from '../session.js';
import { type Terminal } from '../terminal.js';
import { printSettings, type SettingFlags } from './serve.js';
import { type UpConfig, upConfig } from './up-settings.js';
import { waitReady } from './wait-ready.js';
import { welcome } from './welcome.js';

/** The welcome's calls are local; whoever waits longer should be told. */
const WELCOME_TIMEOUT_MS = 15_000;

/** The three servers of one process, and where they are. */
interface Running extends RunningService {
  readonly gateway: string;
  readonly gatewayPort: number;
  readonly broker: string;
  readonly metaServer: string;
  readonly opsPorts: { readonly gateway: number; readonly broker: number; readonly metaServer: number };
}

/** hermes up: everything in one process on embedded storage, through the same gRPC services as anywhere else. */
export async function up(terminal: Terminal, flags: SettingFlags): Promise<ExitCode> {
  const { welcome: withWelcome, printConfig, ...settings } = flags;
  const config = loadConfig({ schema: upConfig, flags: settings, env: terminal.env });
  if (printConfig === true) {
    await printSettings(terminal, config);
    return EXIT_CODE.OK;
  }
  return runProcess({
    logger: createLogger({ component: 'up', level: config.logLevel }),
    drainMs: config.drainMs,
    explain: (message) => {
      terminal.note(`hermes: ${message}`);
    },
    start: async (signal) => {
      prepareDirectory(config.dataDir);
      const running = await startAll(config, signal);
      try {
        await introduce(terminal, { config, running, welcome: withWelcome === true, signal });
        return running;
      } catch (error) {
        await running.stop({ deadlineMs: 0 });
        const { exitCode, message = '' } = failureOf(error, running.gateway);
        throw new ExitError(exitCode, message, { cause: error });
      }
    },
  });
}

function prepareDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new ExitError(
      EXIT_CODE.CONFIG,
      `the data directory ${resolve(path)} cannot be written: choose another with --data-dir`,
      { cause: error },
    );
  }
}

async function startAll(config: UpConfig, signal: AbortSignal): Promise<Running> {
  const started: RunningService[] = [];
  const stop = async (options: { readonly deadlineMs: number }): Promise<void> => {
    // The gateway's subscribers first, the memory of who owns what last.
    for (const service of started.splice(0).reverse()) {
      await service.stop(options);
    }
  };
  const start = async <S extends RunningService>(starting: Promise<S>): Promise<S> => {
    const service = await starting;
    started.push(service);
    signal.throwIfAborted();
    return service;
  };
  const loggerOf = (component: string): ReturnType<typeof createLogger> =>
    createLogger({ component, level: config.logLevel });
  try {
    const { metadataUrl = `sqlite:${join(config.dataDir, 'meta.db')}`, brokerName = 'local' } = config;
    const metaServer = await start(startMetaServer({ ...config, metadataUrl }, { logger: loggerOf('meta-server') }));
    const local = { ...config, metaServers: [metaServer.endpoint] };
    const broker = await start(startBroker({ ...local, brokerName }, { logger: loggerOf('broker') }));
    const gateway = await start(startGateway(local, { logger: loggerOf('gateway') }));
    await waitReady(
      [metaServer, broker, gateway].map(({ opsPort }) => ({ host: config.host, opsPort })),
      signal,
    );
    return {
      stop,
      gateway: gateway.endpoint,
      gatewayPort: gateway.port,
      broker: broker.endpoint,
      metaServer: metaServer.endpoint,
      opsPorts: { gateway: gateway.opsPort, broker: broker.opsPort, metaServer: metaServer.opsPort },
    };
  } catch (error) {
    await stop({ deadlineMs: 0 });
    throw error;
  }
}

async function introduce(
  terminal: Terminal,
  context: {
    readonly config: UpConfig;
    readonly running: Running;
    readonly welcome: boolean;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { config, running } = context;
  const { opsPorts } = running;
  const metrics = `http://${running.gateway.replace(/:\d+$/, '')}`;
  const lines = [
    `Hermes is up after ${(performance.now() / 1_000).toFixed(1)} s; Ctrl-C stops it.`,
    '',
    ...facts([
      ['gateway', `${running.gateway}   clients connect here`],
      ['broker', running.broker],
      ['meta-server', running.metaServer],
      [
        'metrics',
        `${metrics}:${opsPorts.gateway}/metrics   broker ${opsPorts.broker}, meta-server ${opsPorts.metaServer}`,
      ],
      ['data', resolve(config.dataDir)],
    ]).map((line) => `  ${line}`),
  ];
  for (const line of lines) {
    await terminal.print(line);
  }
  if (context.welcome) {
    using session = new Session(terminal, { server: running.gateway, timeout: WELCOME_TIMEOUT_MS, output: 'table' });
    await welcome(session, context.signal);
  }
  await terminal.print('');
  await terminal.print('In another terminal:');
  await terminal.print('');
  for (const line of suggestions(context.welcome, running)) {
    await terminal.print(`  ${line}`);
  }
  await terminal.print('');
}

/** Commands that work as they stand, from the root of the repository. */
function suggestions(welcomed: boolean, { gateway, gatewayPort }: Running): string[] {
  const hermes = gatewayPort === DEFAULT_GATEWAY_PORT ? 'npx hermes' : `npx hermes --server ${gateway}`;
  return [
    ...(welcomed ? [] : [`${hermes} topic create welcome`]),
    `${hermes} publish welcome "hello"`,
    `${hermes} tail welcome`,
    `${hermes} group create welcome readers --start earliest`,
    `${hermes} tail welcome --group readers`,
    `${hermes} --help`,
  ];
}

/** What clients try when they are told nothing. */
const DEFAULT_GATEWAY_PORT = 4380;
