import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { env } from 'node:process';

import { type ContainerRuntimeClient } from 'testcontainers';

import { DURABLE_SETTINGS, type Engine, type EngineOptions, settingArguments, tlsFiles } from './engine.js';
import { serverPort } from './server-port.js';
import { type SqlEndpoint, type SqlServerKind } from './sql-server.js';
import { TestRun } from './test-run.js';

/** The images, official or built by `tools/test-images`. */
const IMAGES = { mysql: 'mysql:9.7', mariadb: 'mariadb:10.11' } as const;
const PROGRAMS = { mysql: 'mysqld', mariadb: 'mariadbd' } as const;
const SERVER_PORT = 3306;
const DATA_DIRECTORY = '/var/lib/mysql';
/** A container may have no name server that answers: each new connection would wait for the name of its peer. */
const CONTAINER_SETTINGS = { 'skip-name-resolve': 'ON' };
const LOOPBACK = '127.0.0.1';
const CONNECT_DEADLINE_MS = 5_000;
const LOG_TAIL_CHARS = 2_000;
const SHUTDOWN_DEADLINE_S = 60;
const STARTUP_DEADLINE_MS = 180_000;
/** Which run a container belongs to (the name of its directory), and on which machine that directory is. */
const LABEL_RUN = 'hermes.test.run';
const LABEL_HOST = 'hermes.test.host';

/** A server in a container of its own; the container, and with it the data, survives the death of its process. */
export class ContainerEngine implements Engine {
  #isPaused = false;

  private constructor(
    readonly endpoint: SqlEndpoint,
    private readonly client: ContainerRuntimeClient,
    private readonly containerId: string,
  ) {}

  /** Starts one, unless there is no Docker or no image: then says why not. */
  static async open(kind: SqlServerKind, options: EngineOptions, run: TestRun): Promise<ContainerEngine | string> {
    const client = await connectToDocker();
    if (typeof client === 'string') {
      return client;
    }
    const missing = await missingImage(client, IMAGES[kind]);
    if (missing !== undefined) {
      return missing;
    }
    writeFileSync(join(run.directory, 'uses-docker'), '');
    await sweep(client);
    const container = await startContainer(kind, options, run);
    return new ContainerEngine(container.endpoint, client, container.id);
  }

  async start(): Promise<void> {
    await this.#container.start();
  }

  async failure(): Promise<string | undefined> {
    const { State: state } = await this.#container.inspect();
    if (state.Running) {
      return undefined;
    }
    const log = await this.#container.logs({ stdout: true, stderr: true, tail: 20 });
    return `the container ended with ${state.ExitCode}:\n${log.toString()}`;
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.#isPaused) {
      await this.resume();
    }
    const { State: state } = await this.#container.inspect();
    if (!state.Running) {
      return;
    }
    if (signal === 'SIGTERM') {
      await this.#container.stop({ t: SHUTDOWN_DEADLINE_S });
      return;
    }
    const gone = this.#container.wait({ condition: 'not-running' });
    await this.#container.kill({ signal });
    await gone;
  }

  /** By a signal: Docker's own pausing takes the late news of an earlier `unpause` for that of a later one. */
  async pause(): Promise<void> {
    await this.#container.kill({ signal: 'SIGSTOP' });
    this.#isPaused = true;
  }

  async resume(): Promise<void> {
    await this.#container.kill({ signal: 'SIGCONT' });
    this.#isPaused = false;
  }

  async remove(): Promise<void> {
    await this.#container.remove({ force: true, v: true });
  }

  get #container(): ReturnType<ContainerRuntimeClient['container']['getById']> {
    return this.client.container.getById(this.containerId);
  }
}

async function startContainer(
  kind: SqlServerKind,
  options: EngineOptions,
  run: TestRun,
): Promise<{ id: string; endpoint: SqlEndpoint }> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const [port, password] = [await serverPort(), randomBytes(12).toString('hex')];
  const { settings, diskBytes } = options;
  const tls = tlsFiles(options, (name) => `/etc/hermes-test/${name}`);
  let log = '';
  const container = new GenericContainer(IMAGES[kind])
    .withEnvironment({ MYSQL_ROOT_PASSWORD: password })
    .withCommand([
      PROGRAMS[kind],
      ...settingArguments({ ...DURABLE_SETTINGS, ...CONTAINER_SETTINGS, ...tls.settings, ...settings }),
    ])
    .withCopyContentToContainer(
      Object.entries(tls.files).map(([name, content]) => ({
        content,
        target: `/etc/hermes-test/${name}`,
        mode: 0o644,
      })),
    )
    .withTmpFs(diskBytes === undefined ? {} : { [DATA_DIRECTORY]: `rw,size=${diskBytes}` })
    .withLabels({ [LABEL_RUN]: basename(run.directory), [LABEL_HOST]: hostname() })
    // A port that Docker chooses is another one after a restart.
    .withExposedPorts({ container: SERVER_PORT, host: port })
    // The official images first start a server for themselves, on no port.
    .withWaitStrategy(Wait.forLogMessage(new RegExp(`port: ${SERVER_PORT}\\b`)))
    .withStartupTimeout(STARTUP_DEADLINE_MS)
    .withLogConsumer((stream) => {
      stream.on('data', (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-LOG_TAIL_CHARS);
      });
    });
  try {
    const started = await container.start();
    const host = (await answers(LOOPBACK, port)) ? LOOPBACK : started.getHost();
    const { ca } = options.tls ?? {};
    const endpoint = { host, port, user: 'root', password, ...(ca === undefined ? {} : { ca }) };
    return { id: started.getId(), endpoint };
  } catch (error) {
    throw new Error(`${IMAGES[kind]} does not start: ${log}`, { cause: error });
  }
}

/** Whether something listens there. Testcontainers takes any process that runs in a container for a neighbour of its own. */
async function answers(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_DEADLINE_MS) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** The runs have a reaper of their own, see reaper.mjs. */
async function connectToDocker(): Promise<ContainerRuntimeClient | string> {
  env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
  const { getContainerRuntimeClient } = await import('testcontainers');
  try {
    return await getContainerRuntimeClient();
  } catch {
    return 'no Docker daemon answers';
  }
}

async function missingImage(client: ContainerRuntimeClient, image: string): Promise<string | undefined> {
  const { ImageName } = await import('testcontainers');
  const name = ImageName.fromString(image);
  if (await client.image.exists(name)) {
    return undefined;
  }
  try {
    await client.image.pull(name);
    return undefined;
  } catch {
    return `Docker cannot pull ${image}; tools/test-images/build.sh builds it`;
  }
}

/** Removes what runs of this machine left whose directory, and so whose reaper, is gone: after a power cut, say. */
async function sweep(client: ContainerRuntimeClient): Promise<void> {
  const { dockerode } = client.container;
  const filters = { label: [LABEL_RUN, `${LABEL_HOST}=${hostname()}`] };
  for (const { Id: id, Labels: labels } of await dockerode.listContainers({ all: true, filters })) {
    if (!existsSync(TestRun.directoryNamed(labels[LABEL_RUN] as string))) {
      // Another process may sweep, too.
      await dockerode
        .getContainer(id)
        .remove({ force: true, v: true })
        .catch(() => undefined);
    }
  }
}
