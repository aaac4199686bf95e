import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { eventually, freePort, temporaryDirectory, type TemporaryDirectory } from '@hermes/testing';
import { createConnection } from 'mysql2/promise';

import type { TestServer } from './servers.js';

/** A server of a test's own, from the MariaDB programs on PATH: one that may be killed, and has settings of its own. */
export class PrivateServer implements TestServer {
  readonly name = 'private';
  readonly host = '127.0.0.1';
  readonly user = 'root';
  readonly password = '';
  readonly port: number;
  readonly #directory: TemporaryDirectory;
  readonly #flags: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(port: number, directory: TemporaryDirectory, flags: readonly string[]) {
    this.port = port;
    this.#directory = directory;
    this.#flags = flags;
  }

  static async start(...flags: string[]): Promise<PrivateServer> {
    const directory = temporaryDirectory();
    const server = new PrivateServer(await freePort(), directory, flags);
    const data = join(directory.path, 'data');
    const install = [`--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'];
    execFileSync('mariadb-install-db', ['--no-defaults', ...install], { stdio: 'ignore' });
    await server.up();
    return server;
  }

  /** Starts it, and waits until it answers. */
  async up(): Promise<void> {
    const { path } = this.#directory;
    const flags = [
      ...['--no-defaults', `--datadir=${join(path, 'data')}`, `--socket=${join(path, 's')}`, `--port=${this.port}`],
      ...[`--pid-file=${join(path, 'pid')}`, '--bind-address=127.0.0.1', '--innodb-buffer-pool-size=64M'],
      ...(process.getuid?.() === 0 ? ['--user=root'] : []),
    ];
    this.#process = spawn('mariadbd', [...flags, ...this.#flags], { stdio: 'ignore' });
    await eventually(
      async () => {
        const connection = await createConnection({ host: this.host, port: this.port, user: this.user });
        await connection.end();
      },
      { deadlineMs: 60_000, intervalMs: 50 },
    );
  }

  /** As a power cut does, but for what the system still has in memory. */
  async kill(): Promise<void> {
    const ended = this.#process === undefined ? undefined : once(this.#process, 'exit');
    this.#process?.kill('SIGKILL');
    await ended;
    this.#process = undefined;
  }

  async stop(): Promise<void> {
    await this.kill();
    this.#directory.remove();
  }
}
