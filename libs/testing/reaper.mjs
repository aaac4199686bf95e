// Waits until the owner of a test run is gone, then ends what the run started: processes, containers, its directory.
// Plain JavaScript, since it runs without a build and outlives the tests. It takes the place of testcontainers' own
// reaper, which is an image to pull and knows nothing of processes.
//   node reaper.mjs OWNER_PID RUN_DIRECTORY
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 200;
/** The owner's workers notice its death and end, too; none shall start a server after this has looked. */
const GRACE_MS = 500;

const [owner, directory] = [Number(process.argv[2]), process.argv[3]];

function ownerLives() {
  try {
    process.kill(owner, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function commandLine(pid) {
  const file = `/proc/${pid}/cmdline`;
  if (existsSync(file)) {
    return readFileSync(file, 'utf8');
  }
  return spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout ?? '';
}

/** A process id may belong to somebody else by now: only one whose command line names this run is ended. */
function endProcess(pidFile) {
  const pid = Number(readFileSync(pidFile, 'utf8'));
  if (pid > 0 && commandLine(pid).includes(directory)) {
    process.kill(pid, 'SIGKILL');
  }
}

async function removeContainers() {
  const { getContainerRuntimeClient } = await import('testcontainers');
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const filters = { label: [`hermes.test.run=${basename(directory)}`] };
  for (const { Id } of await dockerode.listContainers({ all: true, filters })) {
    await dockerode.getContainer(Id).remove({ force: true, v: true });
  }
  for (const { Id } of await dockerode.listNetworks({ filters })) {
    await dockerode.getNetwork(Id).remove();
  }
}

while (ownerLives()) {
  await pause(POLL_MS);
}
await pause(GRACE_MS);
if (existsSync(directory)) {
  const pidFiles = readdirSync(directory).map((name) => join(directory, name, 'pid'));
  pidFiles.filter(existsSync).forEach(endProcess);
  if (existsSync(join(directory, 'uses-docker'))) {
    // Without a daemon there is no container either.
    await removeContainers().catch(() => undefined);
  }
  rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
}
process.exit(0);
