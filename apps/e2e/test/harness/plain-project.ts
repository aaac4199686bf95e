import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory, type TemporaryDirectory } from '@hermes/testing';

const REPOSITORY = join(__dirname, '..', '..', '..', '..');
const PROGRAMS = join(__dirname, '..', 'plain');
/** The packages that are published, together. */
const PUBLISHED = ['runtime', 'contracts', 'client'];

const run = promisify(execFile);

/**
 * A Node project outside of the repository. It has what `npm pack` makes of the published packages, and of all other
 * packages those that they declare: what they use without saying so cannot be found from there.
 */
export class PlainProject implements Disposable {
  readonly #directory: TemporaryDirectory = temporaryDirectory('hermes-plain-');

  static async create(): Promise<PlainProject> {
    const project = new PlainProject();
    for (const library of PUBLISHED) {
      await project.#install(library);
    }
    return project;
  }

  /** Runs one of the programs in `plain/`; what it printed, as JSON. */
  async run(program: string, ...args: readonly string[]): Promise<unknown> {
    const copy = join(this.#directory.path, basename(program));
    copyFileSync(join(PROGRAMS, program), copy);
    const { stdout } = await run(process.execPath, [copy, ...args], { cwd: this.#directory.path });
    return JSON.parse(stdout);
  }

  /** Puts a file into the project; where it is. */
  write(name: string, text: string): string {
    const path = join(this.#directory.path, name);
    writeFileSync(path, text);
    return path;
  }

  /** Makes a package of the repository known to the project. */
  link(name: string): void {
    this.#link(name);
  }

  [Symbol.dispose](): void {
    this.#directory.remove();
  }

  async #install(library: string): Promise<void> {
    const packed = ['pack', '--silent', '--pack-destination', this.#directory.path];
    const { stdout } = await run('npm', packed, { cwd: join(REPOSITORY, 'libs', library) });
    const target = this.#modulePath(`@hermes/${library}`);
    mkdirSync(target, { recursive: true });
    const archive = join(this.#directory.path, stdout.trim());
    await run('tar', ['-xzf', archive, '-C', target, '--strip-components=1']);
    const { dependencies = {} } = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    for (const name of Object.keys(dependencies).filter((one) => !one.startsWith('@hermes/'))) {
      this.#link(name);
    }
  }

  #link(name: string): void {
    const path = this.#modulePath(name);
    mkdirSync(dirname(path), { recursive: true });
    try {
      symlinkSync(join(REPOSITORY, 'node_modules', name), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw error;
      }
    }
  }

  #modulePath(name: string): string {
    return join(this.#directory.path, 'node_modules', name);
  }
}
