// Runs parts and load in processes of their own: `node child.mjs MODULE ARGUMENTS-AS-JSON`; the module's `run` gives
// the result, which goes to the parent by IPC.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

let nodeArgs = [];

/** From now on each process that is started writes a CPU profile per thread into `directory` when it ends. */
export function profileTo(directory) {
  nodeArgs = ['--cpu-prof', `--cpu-prof-dir=${directory}`];
}

/** Starts `module` as a process; `send` talks to it, `result` is what its `run` gave. */
export function startChild(module, args) {
  const child = fork(fileURLToPath(import.meta.url), [module, JSON.stringify(args)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: nodeArgs,
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  // A profile is written by a process that ends by itself.
  const stop = () => {
    if (nodeArgs.length === 0) {
      child.kill('SIGKILL');
    } else if (child.connected) {
      child.disconnect();
    }
    return ended;
  };
  const listeners = new Map();
  const once = (kind) => new Promise((resolve) => listeners.set(kind, resolve));
  child.on('message', ({ kind, value }) => listeners.get(kind)?.(value));
  const ready = once('ready');
  const result = new Promise((resolve, reject) => {
    listeners.set('result', resolve);
    child.on('exit', (code) => reject(new Error(`${module} exited with ${code} before its result`)));
  });
  result.catch(() => undefined);
  return { ready, result, send: (value) => child.send(value), stop, pid: child.pid };
}

/** Runs `module` to its end. */
export async function runChild(module, args) {
  const child = startChild(module, args);
  try {
    return await child.result;
  } finally {
    await child.stop();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once('disconnect', () => process.exit());
  const { run } = await import(new URL(process.argv[2], import.meta.url).href);
  const report = (kind, value) => process.send({ kind, value });
  report('result', await run(JSON.parse(process.argv[3]), { ready: (value) => report('ready', value) }));
}
