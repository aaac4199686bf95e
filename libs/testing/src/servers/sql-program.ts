import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getuid } from 'node:process';

import { DURABLE_SETTINGS, settingArguments, type SqlEngine, type SqlEngineOptions, tlsFiles } from './engine.js';
import { ProcessEngine } from './process-engine.js';
import { serverPort } from './server-port.js';
import { dataTemplate, findProgram } from './server-program.js';
import { type SqlEndpoint, type SqlServerKind } from './sql-server.js';
import { type TestRun } from './test-run.js';

const IS_ROOT = getuid?.() === 0;

/** A database server as a child process, with a data directory of its own in the directory of the run. */
export class SqlProgram extends ProcessEngine implements SqlEngine {
  private constructor(
    readonly endpoint: SqlEndpoint,
    directory: string,
    commandLine: readonly string[],
  ) {
    super(directory, commandLine);
  }

  /** Starts one, unless there is no such program: then says why not. */
  static async open(kind: SqlServerKind, options: SqlEngineOptions, run: TestRun): Promise<SqlProgram | string> {
    if (options.diskBytes !== undefined && !IS_ROOT) {
      return 'only root can give a program a disk of its own';
    }
    const program = await run.once(`${kind}-program`, () => Promise.resolve(findProgram(kind)));
    if (typeof program === 'string') {
      return program;
    }
    const template = await run.once(`${kind}-template`, () =>
      dataTemplate(program, join(run.directory, `${kind}-data`)),
    );
    const directory = run.newDirectory(kind);
    cpSync(template, join(directory, 'data'), { recursive: true });
    mkdirSync(join(directory, 'tmp'));
    // The server's identity: each one draws its own.
    rmSync(join(directory, 'data', 'auto.cnf'), { force: true });
    const endpoint = {
      host: '127.0.0.1',
      port: await serverPort(),
      user: 'root',
      password: randomBytes(12).toString('hex'),
      ...(options.tls === undefined ? {} : { ca: options.tls.ca }),
    };
    writeFileSync(join(directory, 'accounts.sql'), accounts(endpoint), { mode: 0o600 });
    for (const [name, content] of Object.entries(tlsFiles(options, () => '').files)) {
      writeFileSync(join(directory, name), content, { mode: 0o600 });
    }
    const commandLine = [program.command, ...program.args, ...serverArguments(endpoint, directory, options)];
    const engine = new SqlProgram(endpoint, directory, onItsDisk(commandLine, directory, options));
    await engine.start();
    return engine;
  }
}

/** The same program, with its data on a disk of its own if it shall have one. */
function onItsDisk(
  commandLine: readonly string[],
  directory: string,
  { diskBytes }: SqlEngineOptions,
): readonly string[] {
  if (diskBytes === undefined) {
    return commandLine;
  }
  const data = join(directory, 'data');
  const copy = 'cp -a "$0" "$0.template" && mount -t tmpfs -o size="$1" tmpfs "$0" && cp -a "$0.template/." "$0"';
  // A mount of the process's own: nobody has to take it away.
  const script = `${copy} && rm -r "$0.template" && shift && exec "$@"`;
  return ['unshare', '--mount', 'sh', '-c', script, data, String(diskBytes), ...commandLine];
}

function serverArguments({ host, port }: SqlEndpoint, directory: string, options: SqlEngineOptions): string[] {
  const file = (name: string): string => join(directory, name);
  return settingArguments({
    datadir: file('data'),
    // MariaDB deletes there, as it starts, the temporary tables of all servers.
    tmpdir: file('tmp'),
    socket: file('socket'),
    'pid-file': file('server-pid'),
    'init-file': file('accounts.sql'),
    'bind-address': host,
    port: String(port),
    ...(IS_ROOT ? { user: 'root' } : {}),
    ...DURABLE_SETTINGS,
    ...tlsFiles(options, file).settings,
    ...options.settings,
  }).concat('--skip-name-resolve');
}

/** Run at each start, so that a server that was killed on its first one has its accounts as well. */
function accounts({ password }: SqlEndpoint): string {
  return [
    // MariaDB's installer makes them without a password, and they would win over '%'.
    "DROP USER IF EXISTS root@'127.0.0.1', root@'::1';",
    `CREATE USER IF NOT EXISTS root@'%' IDENTIFIED BY '${password}';`,
    "GRANT ALL PRIVILEGES ON *.* TO root@'%' WITH GRANT OPTION;",
    `ALTER USER root@localhost IDENTIFIED BY '${password}';`,
    '',
  ].join('\n');
}
