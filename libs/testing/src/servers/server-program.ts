import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { env, getuid, stderr } from 'node:process';
import { promisify } from 'node:util';

import { type SqlServerKind } from './sql-server.js';

/** How to run a server; `args` come before all others. JSON, so that the processes of a run can share it. */
export interface ServerProgram {
  readonly kind: SqlServerKind;
  readonly command: string;
  readonly args: readonly string[];
  /** An initialised data directory to copy, where the program came with one. */
  readonly data?: string;
}

/** Names of the program, and the versions that are fit; either may be called `mysqld`. */
const PROGRAMS = {
  mysql: { names: ['mysqld'], version: /Ver (9|8\.4)\.(?!.*MariaDB)/ },
  mariadb: { names: ['mariadbd', 'mysqld'], version: /Ver (10\.11|1[1-9]\.\d+)\..*MariaDB/ },
} as const;
/** Where servers are, though the PATH of an ordinary user has them not. */
const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/usr/libexec'];
/** MySQL has an interface of its own beside SQL, and a directory for files that the package would have made. */
const KIND_ARGUMENTS = { mysql: ['--mysqlx=OFF', '--secure-file-priv=NULL'], mariadb: [] } as const;

/** Finds the program: on PATH, else, as root on Debian, in a tree of Debian packages of its own. Else says what is missing. */
export function findProgram(kind: SqlServerKind): ServerProgram | string {
  const { names, version } = PROGRAMS[kind];
  const directories = [...(env['PATH'] ?? '').split(delimiter), ...SYSTEM_DIRECTORIES];
  for (const command of names.flatMap((name) => directories.map((directory) => join(directory, name)))) {
    if (existsSync(command) && version.test(spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout)) {
      return { kind, command, args: ['--no-defaults', ...KIND_ARGUMENTS[kind]] };
    }
  }
  const missing = `no ${names.join(' or ')} of a fit version on PATH`;
  const tree = debianTree(kind);
  return typeof tree === 'string' ? `${missing}, and ${tree}` : tree;
}

/** Debian's packages in a directory: the system stays as it is, and another release's packages do not matter. */
export function debianTree(kind: SqlServerKind): ServerProgram | string {
  if (!existsSync('/etc/debian_version') || getuid?.() !== 0) {
    return 'it is installed only on Debian, as root';
  }
  stderr.write(`hermes: ${kind} for the tests comes from Debian's packages, see tools/test-images\n`);
  const tree = runScript('debian-tree.sh', kind);
  return tree === undefined ? `tools/test-images/debian-tree.sh ${kind} failed` : programInTree(kind, tree);
}

/** What a script of tools/test-images prints; it says itself why it fails, which gives undefined. */
export function runScript(name: string, ...args: readonly string[]): string | undefined {
  const script = findScript(join('tools', 'test-images', name));
  if (script === undefined) {
    return undefined;
  }
  const { status, stdout } = spawnSync(script, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  return status === 0 ? stdout.trim() : undefined;
}

/** The tree's own loader and libraries run the program, wherever its data is: no chroot, no mounts. */
function programInTree(kind: SqlServerKind, tree: string): ServerProgram {
  const usr = join(tree, 'usr');
  const libraries = readdirSync(join(usr, 'lib'))
    .filter((name) => name.endsWith('-linux-gnu'))
    .map((name) => join(usr, 'lib', name));
  const loader = libraries
    .flatMap((directory) => readdirSync(directory).map((name) => join(directory, name)))
    .find((file) => /\/ld-linux[^/]*\.so/.test(file));
  if (loader === undefined) {
    throw new Error(`no dynamic loader in ${tree}`);
  }
  const program = join(usr, 'sbin', PROGRAMS[kind].names[0]);
  return {
    kind,
    command: loader,
    args: [
      ...['--library-path', libraries.join(delimiter), program],
      ...['--no-defaults', `--basedir=${usr}`, `--plugin-dir=${join(usr, 'lib', 'mysql', 'plugin')}`],
      `--lc-messages-dir=${join(usr, 'share', 'mysql')}`,
      `--character-sets-dir=${join(usr, 'share', 'mysql', 'charsets')}`,
      ...KIND_ARGUMENTS[kind],
    ],
    data: join(tree, 'var', 'lib', 'mysql'),
  };
}

/** Gives an initialised data directory to copy: the program's own, else made at `path`. */
export async function dataTemplate({ kind, command, args, data }: ServerProgram, path: string): Promise<string> {
  if (data !== undefined) {
    return data;
  }
  mkdirSync(path);
  const asRoot = getuid?.() === 0 ? ['--user=root'] : [];
  const run = promisify(execFile);
  if (kind === 'mysql') {
    // A power cut may take the template: nothing needs to reach the disk.
    const quick = ['--skip-log-bin', '--innodb-flush-log-at-trx-commit=0', '--innodb-doublewrite=OFF'];
    await run(command, [...args, ...quick, ...asRoot, '--initialize-insecure', `--datadir=${path}`]);
  } else {
    const installer = ['mariadb-install-db', join(dirname(command), '..', 'bin', 'mariadb-install-db')];
    const options = ['--no-defaults', '--skip-test-db', '--force', '--auth-root-authentication-method=normal'];
    await run(installer.find(existsSync) ?? 'mariadb-install-db', [...options, ...asRoot, `--datadir=${path}`]);
  }
  return path;
}

/** A file of the repository that this library is in. */
function findScript(path: string): string | undefined {
  for (let directory = __dirname; directory !== dirname(directory); directory = dirname(directory)) {
    if (existsSync(join(directory, path)) && isWorkspace(directory)) {
      return join(directory, path);
    }
  }
  return undefined;
}

function isWorkspace(directory: string): boolean {
  const file = join(directory, 'package.json');
  return existsSync(file) && 'workspaces' in (JSON.parse(readFileSync(file, 'utf8')) as object);
}
