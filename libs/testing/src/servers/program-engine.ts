import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, cpSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getuid } from 'node:process';

import { DURABLE_SETTINGS, type Engine, type EngineOptions, settingArguments, tlsFiles } from './engine.js';
import { serverPort } from './server-port.js';
import { dataTemplate, findProgram, type ServerProgram } from './server-program.js';
import { type SqlEndpoint, type SqlServerKind } from './sql-server.js';
import { type TestRun } from './test-run.js';

const LOG_TAIL_CHARS = 2_000;
const IS_ROOT = getuid?.() === 0;

/** A server as a child process, with a data directory of its own in the directory of the run. */
export class ProgramEngine implements Engine {
  #child: ChildProcess | undefined;

  private constructor(
    readonly endpoint: SqlEndpoint,
    private readonly program: ServerProgram,
    private readonly directory: string,
    private readonly options: EngineOptions,
  ) {}

  /** Starts one, unless there is no such program: then says why not. */
  static async open(kind: SqlServerKind, options: EngineOptions, run: TestRun): Promise<ProgramEngine | string> {
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
    const engine = new ProgramEngine(endpoint, program, directory, options);
    await engine.start();
    return engine;
  }

  async start(): Promise<void> {
    const { command, args } = this.#onItsDisk([this.program.command, ...this.program.args, ...this.#arguments()]);
    const log = openSync(this.#logFile, 'a');
    // Detached: a Ctrl-C meant for the tests does not reach it, and it may outlive the worker that started it.
    const child = spawn(command, args, { detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    await once(child, 'spawn');
    child.unref();
    writeFileSync(join(this.directory, 'pid'), String(child.pid));
    this.#child = child;
  }

  failure(): Promise<string | undefined> {
    const child = this.#child;
    if (child !== undefined && isRunning(child)) {
      return Promise.resolve(undefined);
    }
    const log = readFileSync(this.#logFile, 'utf8').slice(-LOG_TAIL_CHARS);
    return Promise.resolve(`the process ended with ${child?.exitCode ?? child?.signalCode ?? 'nothing'}:\n${log}`);
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || !isRunning(child)) {
      return;
    }
    const gone = once(child, 'exit');
    child.kill(signal);
    // A paused process takes the signal when it goes on.
    child.kill('SIGCONT');
    await gone;
  }

  pause(): Promise<void> {
    this.#child?.kill('SIGSTOP');
    return Promise.resolve();
  }

  resume(): Promise<void> {
    this.#child?.kill('SIGCONT');
    return Promise.resolve();
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The same program, with its data on a disk of its own if it shall have one. */
  #onItsDisk([command = '', ...args]: readonly string[]): { readonly command: string; readonly args: string[] } {
    const { diskBytes } = this.options;
    if (diskBytes === undefined) {
      return { command, args };
    }
    const data = join(this.directory, 'data');
    const copy = 'cp -a "$0" "$0.template" && mount -t tmpfs -o size="$1" tmpfs "$0" && cp -a "$0.template/." "$0"';
    // A mount of the process's own: nobody has to take it away.
    const script = `${copy} && rm -r "$0.template" && shift && exec "$@"`;
    return { command: 'unshare', args: ['--mount', 'sh', '-c', script, data, String(diskBytes), command, ...args] };
  }

  get #logFile(): string {
    return join(this.directory, 'log');
  }

  #arguments(): string[] {
    const file = (name: string): string => join(this.directory, name);
    return settingArguments({
      datadir: file('data'),
      // MariaDB deletes there, as it starts, the temporary tables of all servers.
      tmpdir: file('tmp'),
      socket: file('socket'),
      'pid-file': file('server-pid'),
      'init-file': file('accounts.sql'),
      'bind-address': this.endpoint.host,
      port: String(this.endpoint.port),
      ...(IS_ROOT ? { user: 'root' } : {}),
      ...DURABLE_SETTINGS,
      ...tlsFiles(this.options, file).settings,
      ...this.options.settings,
    }).concat('--skip-name-resolve');
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
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
