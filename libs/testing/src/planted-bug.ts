import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { compileFunction } from 'node:vm';

import { transformSync } from '@swc/core';

/** One line of real code, and what a careless hand might have written in its place. */
export interface PlantedBug {
  /** Name of the source file. */
  readonly file: string;
  /** The code as it stands, found exactly once in that file. */
  readonly code: string;
  readonly instead: string;
}

interface Module {
  readonly exports: unknown;
}

/**
 * Loads a library's sources anew, from `entry` on, with one bug planted; other libraries are as they are. Throws if the
 * code is not there exactly once: then the list of bugs no longer fits the library.
 */
export function loadWithBug(entry: string, bug: PlantedBug): unknown {
  const modules = new Map<string, Module>();
  const read = (path: string): string => {
    const source = readFileSync(path, 'utf8');
    if (basename(path) !== bug.file) {
      return source;
    }
    const [before, after, ...more] = source.split(bug.code);
    if (before === undefined || after === undefined || more.length > 0) {
      throw new Error(`${bug.file} does not hold exactly once: ${bug.code}`);
    }
    return `${before}${bug.instead}${after}`;
  };
  const load = (path: string): unknown => {
    const known = modules.get(path);
    if (known !== undefined) {
      return known.exports;
    }
    const module: Module = { exports: {} };
    modules.set(path, module);
    const external = createRequire(path);
    const require = (name: string): unknown =>
      name.startsWith('.') ? load(join(dirname(path), name.replace(/\.js$/, '.ts'))) : external(name);
    const run = compileFunction(compiled(read(path), path), ['module', 'exports', 'require'], { filename: path });
    (run as (...args: unknown[]) => void)(module, module.exports, require);
    return module.exports;
  };
  const loaded = load(entry);
  if (![...modules.keys()].some((path) => basename(path) === bug.file)) {
    throw new Error(`${entry} does not load ${bug.file}`);
  }
  return loaded;
}

function compiled(source: string, filename: string): string {
  const jsc = { target: 'es2022', parser: { syntax: 'typescript' } } as const;
  return transformSync(source, { filename, jsc, module: { type: 'commonjs' } }).code;
}
