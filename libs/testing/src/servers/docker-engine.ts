import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { env } from 'node:process';

import { type ContainerRuntimeClient, type StartedTestContainer } from 'testcontainers';

import { type Engine } from './engine.js';
import { TestRun } from './test-run.js';
import { whenStopped } from './when-stopped.js';

const LOG_TAIL_CHARS = 2_000;
const SHUTDOWN_DEADLINE_S = 60;
const STARTUP_DEADLINE_MS = 180_000;
/** Which run a container belongs to (the name of its directory), and on which machine that directory is. */
const LABEL_RUN = 'hermes.test.run';
const LABEL_HOST = 'hermes.test.host';

/** What a container runs. */
export interface ContainerOptions {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** In place of the image's own. */
  readonly entrypoint?: readonly string[];
  readonly command: readonly string[];
  /** Files by their path in the container. */
  readonly files: Readonly<Record<string, string>>;
  /** A disk in memory at this path, with these options. */
  readonly tmpFs?: Readonly<Record<string, string>>;
  /** Ports of the container, and those of this machine that lead there. */
  readonly ports: readonly { readonly container: number; readonly host: number }[];
  /** A network that it joins, and its name there. */
  readonly network?: { readonly id: string; readonly alias: string };
  /** Its log says so when it has come so far that it can be used. */
  readonly startedMessage: RegExp;
}

/** A server in a container of its own; the container, and with it the data, survives the death of its process. */
export class DockerEngine implements Engine {
  #isPaused = false;

  constructor(
    private readonly client: ContainerRuntimeClient,
    private readonly containerId: string,
  ) {}

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
    const { State: state } = await this.#container.inspect();
    await this.#container.kill({ signal: 'SIGSTOP' });
    this.#isPaused = true;
    await whenStopped(state.Pid);
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

/** The daemon, and that it has the image; else what is missing. From here on the run's reaper looks for containers, too. */
export async function openDocker(image: string, run: TestRun): Promise<ContainerRuntimeClient | string> {
  const client = await connectToDocker();
  if (typeof client === 'string') {
    return client;
  }
  const missing = await missingImage(client, image);
  if (missing !== undefined) {
    return missing;
  }
  writeFileSync(join(run.directory, 'uses-docker'), '');
  await sweep(client);
  return client;
}

/** Starts a container that goes with the run. */
export async function startContainer(options: ContainerOptions, run: TestRun): Promise<StartedTestContainer> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const { image, environment = {}, entrypoint, command, files, tmpFs = {}, ports, network, startedMessage } = options;
  let log = '';
  const container = new GenericContainer(image)
    .withEnvironment(environment)
    .withCommand([...command])
    .withCopyContentToContainer(Object.entries(files).map(([target, content]) => ({ content, target, mode: 0o644 })))
    .withTmpFs(tmpFs)
    .withLabels(labelsOf(run))
    // A port that Docker chooses is another one after a restart.
    .withExposedPorts(...ports)
    .withWaitStrategy(Wait.forLogMessage(startedMessage))
    .withStartupTimeout(STARTUP_DEADLINE_MS)
    .withLogConsumer((stream) => {
      stream.on('data', (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-LOG_TAIL_CHARS);
      });
    });
  if (entrypoint !== undefined) {
    container.withEntrypoint([...entrypoint]);
  }
  if (network !== undefined) {
    container.withNetworkMode(network.id).withNetworkAliases(network.alias);
  }
  try {
    return await container.start();
  } catch (error) {
    throw new Error(`${image} does not start: ${log}`, { cause: error });
  }
}

/** Makes a network, on which containers find each other by name, that goes with the run. */
export async function createNetwork(
  client: ContainerRuntimeClient,
  run: TestRun,
): Promise<{ readonly id: string; remove(): Promise<void> }> {
  const { dockerode } = client.container;
  const name = `${basename(run.directory)}-${randomBytes(4).toString('hex')}`;
  const { id } = await dockerode.createNetwork({ Name: name, Labels: labelsOf(run) });
  return {
    id,
    remove: async () => {
      await dockerode.getNetwork(id).remove();
    },
  };
}

function labelsOf(run: TestRun): Record<string, string> {
  return { [LABEL_RUN]: basename(run.directory), [LABEL_HOST]: hostname() };
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
  const isOrphan = ({ Labels: labels = {} }: { Labels?: Record<string, string> | undefined }): boolean =>
    !existsSync(TestRun.directoryNamed(labels[LABEL_RUN] as string));
  const containers = (await dockerode.listContainers({ all: true, filters })).filter(isOrphan);
  const networks = (await dockerode.listNetworks({ filters })).filter(isOrphan);
  // Another process may sweep, too.
  const ignore = (): undefined => undefined;
  for (const { Id: id } of containers) {
    await dockerode.getContainer(id).remove({ force: true, v: true }).catch(ignore);
  }
  for (const { Id: id } of networks) {
    await dockerode.getNetwork(id).remove().catch(ignore);
  }
}
