import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { env, stderr } from 'node:process';
import { promisify } from 'node:util';

import { freePort, temporaryDirectory, type TemporaryDirectory } from '@hermes/testing';

const ROOT = join(__dirname, '..', '..', '..', '..');
const COMPOSE_FILE = join(ROOT, 'deploy', 'compose.yaml');
const IMAGE_TOOLS = join(ROOT, 'tools', 'test-images');
/** What a failed command printed last. */
const OUTPUT_CHARS_MAX = 4_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** Why there is no Docker here; undefined if there is. */
export function missingDocker(): string | undefined {
  const { status, error } = spawnSync('docker', ['info'], { stdio: 'ignore' });
  if (status === 0) {
    return undefined;
  }
  return error === undefined ? 'no Docker daemon answers' : 'there is no docker command';
}

/** `deploy/compose.yaml` as an operator would start it, under a name, an image, ports and secrets of its own. */
export class ComposeProject implements AsyncDisposable {
  readonly name = `hermes-test-${randomBytes(4).toString('hex')}`;
  readonly #directory: TemporaryDirectory = temporaryDirectory('hermes-compose-');
  readonly #image = `hermes:${this.name}`;
  #compose: readonly string[] = [];
  #ports: { readonly gateway: number; readonly ops: number } | undefined;

  private constructor() {
    // Made by `start` alone.
  }

  /** Builds the image and starts everything; resolves when all of it is healthy. */
  static async start(): Promise<ComposeProject> {
    const project = new ComposeProject();
    try {
      await project.#start();
    } catch (error) {
      await project[Symbol.asyncDispose]();
      throw error;
    }
    return project;
  }

  /** Where clients reach the cluster. */
  get gatewayEndpoint(): string {
    return `127.0.0.1:${this.#ports?.gateway ?? 0}`;
  }

  get gatewayOpsPort(): number {
    return this.#ports?.ops ?? 0;
  }

  /** The passwords that were drawn for this project. */
  secrets(): string[] {
    const directory = join(this.#directory.path, 'secrets');
    return readdirSync(directory).map((name) => readFileSync(join(directory, name), 'utf8'));
  }

  /** Runs `docker compose` on this project and gives what it printed. */
  async compose(...args: readonly string[]): Promise<string> {
    const [program = '', ...first] = this.#compose;
    const { gateway = 0, ops = 0 } = this.#ports ?? {};
    const files = [COMPOSE_FILE, this.#labelsFile].flatMap((file) => ['--file', file]);
    return run(program, [...first, ...files, '--project-name', this.name, ...args], {
      ...{ HERMES_IMAGE: this.#image, SECRETS: join(this.#directory.path, 'secrets') },
      ...{ GATEWAY_PORT: String(gateway), GATEWAY_OPS_PORT: String(ops) },
    });
  }

  /** Ids of a service's containers, stopped ones too; of all services if none is named. */
  async containers(...service: readonly string[]): Promise<string[]> {
    return (await this.compose('ps', '--all', '--quiet', ...service)).split('\n').filter((id) => id !== '');
  }

  /** Ends and removes all of it: containers, networks, volumes, the image, the secrets. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#ports !== undefined) {
        await this.compose('down', '--volumes', '--remove-orphans', '--timeout', '10');
      }
      if (spawnSync('docker', ['image', 'inspect', this.#image], { stdio: 'ignore' }).status === 0) {
        await docker('image', 'rm', '--force', this.#image);
      }
    } finally {
      this.#directory.remove();
    }
  }

  get #labelsFile(): string {
    return join(this.#directory.path, 'labels.json');
  }

  async #start(): Promise<void> {
    stderr.write('hermes: building the image for the test of deploy/compose.yaml …\n');
    await run(join(IMAGE_TOOLS, 'hermes.sh'), [this.#image]);
    await run(join(IMAGE_TOOLS, 'build.sh'), ['mysql']);
    this.#compose = (await run(join(IMAGE_TOOLS, 'compose.sh'), [])).trim().split(' ');
    await run(join(ROOT, 'deploy', 'secrets.sh'), [join(this.#directory.path, 'secrets')]);
    writeFileSync(this.#labelsFile, '{"services": {}}');
    this.#ports = { gateway: await freePort(), ops: await freePort() };
    writeFileSync(this.#labelsFile, JSON.stringify({ services: await this.#labelled() }));
    try {
      await this.compose('up', '--detach', '--no-build', '--wait');
    } catch (error) {
      const log = await this.compose('logs', '--no-color', '--tail', '20').catch(String);
      throw new Error(`the project does not start:\n${log.slice(-OUTPUT_CHARS_MAX)}`, { cause: error });
    }
  }

  /** Should this process be killed, the reaper of libs/testing knows the containers by these labels. */
  async #labelled(): Promise<Record<string, unknown>> {
    const services = (await this.compose('config', '--services')).split('\n').filter((name) => name !== '');
    const labels = {
      'hermes.test.run': `hermes-test-run-${env['HERMES_TEST_RUN'] ?? ''}`,
      'hermes.test.host': hostname(),
    };
    return Object.fromEntries(services.map((name) => [name, { labels }]));
  }
}

/** Runs `docker` and gives what it printed. */
export function docker(...args: readonly string[]): Promise<string> {
  return run('docker', args);
}

async function run(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  try {
    const options = { env: { ...env, ...environment }, maxBuffer: OUTPUT_BYTES_MAX };
    return (await promisify(execFile)(program, args, options)).stdout;
  } catch (error) {
    const output = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    throw new Error(`\`${[program, ...args].join(' ')}\` failed:\n${output.slice(-OUTPUT_CHARS_MAX)}`, {
      cause: error,
    });
  }
}
