import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';

import { type ContainerRuntimeClient } from 'testcontainers';

import { type ContainerOptions, DockerEngine, openDocker, startContainer } from './docker-engine.js';
import { DURABLE_SETTINGS, settingArguments, type SqlEngine, type SqlEngineOptions, tlsFiles } from './engine.js';
import { serverPort } from './server-port.js';
import { type SqlEndpoint, type SqlServerKind } from './sql-server.js';
import { type TestRun } from './test-run.js';

/** The images, official or built by `tools/test-images`. */
const IMAGES = { mysql: 'mysql:9.7', mariadb: 'mariadb:10.11' } as const;
const PROGRAMS = { mysql: 'mysqld', mariadb: 'mariadbd' } as const;
const SERVER_PORT = 3306;
const DATA_DIRECTORY = '/var/lib/mysql';
/** A container may have no name server that answers: each new connection would wait for the name of its peer. */
const CONTAINER_SETTINGS = { 'skip-name-resolve': 'ON' };
const LOOPBACK = '127.0.0.1';
const CONNECT_DEADLINE_MS = 5_000;

/** A database server in a container. */
export class SqlContainer extends DockerEngine implements SqlEngine {
  private constructor(
    readonly endpoint: SqlEndpoint,
    client: ContainerRuntimeClient,
    containerId: string,
  ) {
    super(client, containerId);
  }

  /** Starts one, unless there is no Docker or no image: then says why not. */
  static async open(kind: SqlServerKind, options: SqlEngineOptions, run: TestRun): Promise<SqlContainer | string> {
    const client = await openDocker(IMAGES[kind], run);
    if (typeof client === 'string') {
      return client;
    }
    const [port, password] = [await serverPort(), randomBytes(12).toString('hex')];
    const container = await startContainer(containerOptions(kind, options, { port, password }), run);
    const host = (await answers(LOOPBACK, port)) ? LOOPBACK : container.getHost();
    const { ca } = options.tls ?? {};
    const endpoint = { host, port, user: 'root', password, ...(ca === undefined ? {} : { ca }) };
    return new SqlContainer(endpoint, client, container.getId());
  }
}

function containerOptions(
  kind: SqlServerKind,
  options: SqlEngineOptions,
  { port, password }: Pick<SqlEndpoint, 'port' | 'password'>,
): ContainerOptions {
  const { settings, diskBytes } = options;
  const path = (name: string): string => `/etc/hermes-test/${name}`;
  const tls = tlsFiles(options, path);
  return {
    image: IMAGES[kind],
    environment: { MYSQL_ROOT_PASSWORD: password },
    command: [
      PROGRAMS[kind],
      ...settingArguments({ ...DURABLE_SETTINGS, ...CONTAINER_SETTINGS, ...tls.settings, ...settings }),
    ],
    files: Object.fromEntries(Object.entries(tls.files).map(([name, content]) => [path(name), content])),
    tmpFs: diskBytes === undefined ? {} : { [DATA_DIRECTORY]: `rw,size=${diskBytes}` },
    ports: [{ container: SERVER_PORT, host: port }],
    // The official images first start a server for themselves, on no port.
    startedMessage: new RegExp(`port: ${SERVER_PORT}\\b`),
  };
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
