import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execPath, pid } from 'node:process';

import { eventually } from '../eventually.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { TestRun } from './test-run.js';

const REAPER = join(__dirname, '..', '..', 'reaper.mjs');

describe('TestRun', () => {
  it('makes a thing once, whoever asks, and shares its failure as well', async () => {
    const run = TestRun.open();
    const name = `once-${pid}`;
    let made = 0;
    const make = (): Promise<number> => Promise.resolve((made += 1));
    expect(await Promise.all([run.once(name, make), TestRun.open().once(name, make)])).toEqual([1, 1]);
    const fail = (): Promise<number> => Promise.reject(new Error('no luck'));
    await expect(run.once(`${name}-fails`, fail)).rejects.toThrow('no luck');
    await expect(run.once(`${name}-fails`, make)).rejects.toThrow('no luck');
  });

  it('tells the others when the process that was to make it has died', async () => {
    const run = TestRun.open();
    const dead = spawn(execPath, ['-e', '']);
    await once(dead, 'exit');
    writeFileSync(join(run.directory, `abandoned-${pid}.json.lock`), String(dead.pid));
    await expect(run.once(`abandoned-${pid}`, () => Promise.resolve(1))).rejects.toThrow(`process ${dead.pid} died`);
  });
});

describe('the reaper', () => {
  const idle = (...args: string[]): ChildProcess =>
    spawn(execPath, ['-e', 'setInterval(() => {}, 1000)', ...args], { stdio: 'ignore' });
  const noteIn = (run: string, name: string, child: ChildProcess): void => {
    mkdirSync(join(run, name));
    writeFileSync(join(run, name, 'pid'), String(child.pid));
  };

  it('ends the processes of a run whose owner was killed, removes its directory, and touches nothing else', async () => {
    using directory = temporaryDirectory();
    const [owner, server, stranger] = [idle(), idle(directory.path), idle()];
    noteIn(directory.path, 'server', server);
    noteIn(directory.path, 'id-of-somebody-else-by-now', stranger);
    const ended = once(server, 'exit');
    const reaper = spawn(execPath, [REAPER, String(owner.pid), directory.path]);
    const done = once(reaper, 'exit');
    expect(server.exitCode).toBeNull();
    owner.kill('SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(await done).toEqual([0, null]);
    await eventually(() => !existsSync(directory.path));
    expect([stranger.exitCode, stranger.signalCode]).toEqual([null, null]);
    stranger.kill('SIGKILL');
  });
});
