import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ENVIRONMENT = join(__dirname, '..', '..', '.venv');
const PROTO = join(__dirname, '..', '..', '..', '..', 'proto');
const GENERATED = join(ENVIRONMENT, 'hermes-protos');
const PROGRAM = join(__dirname, '..', 'python', 'client.py');

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) {
    throw new Error(`\`${[command, ...args].join(' ')}\` failed: ${error?.message ?? stderr}`);
  }
}

const works = (command: string, args: readonly string[]): boolean => spawnSync(command, args).status === 0;

function ensureVenvModule(): void {
  if (!works('python3', ['--version'])) {
    throw new Error(
      'Python 3 is needed for the test of a client in another language: install python3 and python3-venv',
    );
  }
  // Debian splits ensurepip off: without it `python3 -m venv` cannot make an environment with pip.
  if (!works('python3', ['-c', 'import ensurepip, venv'])) {
    if (process.getuid?.() !== 0 || !works('apt-get', ['--version'])) {
      throw new Error('Python lacks its venv module: install python3-venv');
    }
    process.stderr.write('installing python3-venv with apt-get for the Python client test …\n');
    run('apt-get', ['update', '-q']);
    run('apt-get', ['install', '-y', '-q', 'python3-venv']);
  }
}

/** Makes the virtual environment with grpcio once and compiles the protos into it anew. */
function preparePython(): void {
  const python = join(ENVIRONMENT, 'bin', 'python');
  if (!works(python, ['-c', 'import grpc_tools'])) {
    ensureVenvModule();
    process.stderr.write('making a Python environment with grpcio …\n');
    run('python3', ['-m', 'venv', '--clear', ENVIRONMENT]);
    run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', 'grpcio-tools~=1.76']);
  }
  if (!existsSync(GENERATED)) {
    mkdirSync(GENERATED);
  }
  const files = [
    'google/rpc/status.proto',
    'google/rpc/error_details.proto',
    'hermes/messaging/v1/messaging.proto',
    'hermes/admin/v1/admin.proto',
    'hermes/admin/v1/partition.proto',
  ];
  const out = [`--python_out=${GENERATED}`, `--grpc_python_out=${GENERATED}`];
  run(python, ['-m', 'grpc_tools.protoc', '-I', PROTO, ...out, ...files]);
}

/** A Python that finds grpcio and what the protos compile to; made if it is not there. */
export function pythonWithProtos(): { readonly python: string; readonly env: Readonly<Record<string, string>> } {
  preparePython();
  return { python: join(ENVIRONMENT, 'bin', 'python'), env: { PYTHONPATH: GENERATED } };
}

/** Runs the Python client against a gateway; resolves to what its steps printed. */
export async function runPythonClient(endpoint: string): Promise<Record<string, unknown>[]> {
  const { python, env } = pythonWithProtos();
  const { stdout } = await promisify(execFile)(python, [PROGRAM, endpoint], { env, timeout: 120_000 });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
