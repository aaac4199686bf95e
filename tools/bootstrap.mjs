// Makes a fresh clone runnable, then runs it: installs what the lockfile names when something is missing or
// stale, builds what changed, and hands over. Uses nothing but Node, since it runs before anything is there.
// `npm start` is `exec node …`: a shell in between would turn a Ctrl-C into an end by signal, and a SIGTERM into an
// orphan that still holds its data directory.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const NODE_VERSION_MIN = [20, 19];
const abiFile = join(root, 'node_modules', '.hermes-abi');

const say = (text) => process.stderr.write(`hermes: ${text}\n`);

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [majorMin, minorMin] = NODE_VERSION_MIN;
  if (major < majorMin || (major === majorMin && minor < minorMin)) {
    say(`Node ${NODE_VERSION_MIN.join('.')} or newer is needed; this is ${process.versions.node}.`);
    process.exit(69);
  }
}

const readPackages = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;

/** Why the installed packages are not those of the lockfile; undefined if they are. */
function staleReason() {
  const installedFile = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedFile)) {
    return 'no dependencies are installed yet';
  }
  if (existsSync(abiFile) && readFileSync(abiFile, 'utf8') !== process.versions.modules) {
    return 'Node changed since the dependencies were compiled';
  }
  const installed = readPackages(installedFile);
  for (const [path, wanted] of Object.entries(readPackages(join(root, 'package-lock.json')))) {
    const inPlace = installed[path];
    const skipped = wanted.optional || wanted.devOptional || !path.startsWith('node_modules/');
    if (!skipped && inPlace?.version !== wanted.version) {
      return `${path} is ${inPlace === undefined ? 'missing' : 'out of date'}`;
    }
  }
  return undefined;
}

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options,
  });
  if (error !== undefined || status !== 0) {
    say(`\`${[command, ...args].join(' ')}\` failed${error === undefined ? '' : `: ${error.message}`}.`);
    process.exit(status || 69);
  }
}

/** Native modules compile against this Node's own headers where it has them: nothing has to be downloaded for that. */
function installEnvironment() {
  const prefix = dirname(dirname(process.execPath));
  const hasHeaders = existsSync(join(prefix, 'include', 'node', 'node.h'));
  return { ...process.env, ...(hasHeaders ? { npm_config_nodedir: prefix } : {}) };
}

function install() {
  const reason = staleReason();
  if (reason !== undefined) {
    say(`installing dependencies, since ${reason} (one to two minutes on two cores) …`);
    const startedAt = Date.now();
    const quiet = ['--no-audit', '--no-fund', '--update-notifier=false', '--loglevel=error'];
    run('npm', ['ci', ...quiet, '--foreground-scripts=false'], { env: installEnvironment() });
    say(`dependencies installed in ${Math.round((Date.now() - startedAt) / 1000)} s.`);
  }
  writeFileSync(abiFile, process.versions.modules);
}

function build() {
  const first = existsSync(join(root, 'apps', 'cli', 'dist')) ? '' : ' for the first time (a minute on two cores)';
  say(`building${first} …`);
  const nx = join(root, 'node_modules', '.bin', 'nx');
  // Without the daemon nothing stays behind; static output keeps one line per project.
  const env = { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false' };
  const { status, stdout, stderr } = spawnSync(nx, ['run-many', '-t', 'build', '--outputStyle=static'], {
    cwd: root,
    env,
    encoding: 'utf8',
  });
  if (status !== 0) {
    process.stderr.write(stdout + stderr);
    say('the build failed.');
    process.exit(70);
  }
}

/** Runs `node …args` in the foreground and exits as it does. A Ctrl-C reaches the child by itself. */
function handOver(args) {
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
}

const commands = {
  install: () => undefined,
  build: () => build(),
  start: (args) => {
    build();
    handOver([join(root, 'apps/cli/dist/main.js'), 'up', '--welcome', ...args]);
  },
  test: (args) => {
    build();
    handOver([join(root, 'tools/test.mjs'), ...args]);
  },
  bench: (args) => {
    build();
    handOver([join(root, 'tools/bench.mjs'), ...args]);
  },
};

const [name, ...args] = process.argv.slice(2);
const command = commands[name];
if (command === undefined) {
  say(`usage: node tools/bootstrap.mjs ${Object.keys(commands).join('|')} [arguments]`);
  process.exit(64);
}
checkNode();
install();
command(args);
