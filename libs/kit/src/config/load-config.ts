import { readFileSync, statSync } from 'node:fs';
import { type z } from 'zod';
import { ConfigError } from './config-error.js';
import { coerceText, fieldsOf } from './fields.js';
import { envName, flagName, SETTING_KEYS } from './setting-name.js';

/** Nobody writes a bigger configuration by hand. */
const FILE_BYTES_MAX = 1_048_576;
/** Settings of tests and benchmarks, and the variables that Kubernetes sets for services named hermes-something. */
const FOREIGN_ENV = /^HERMES_(TEST|BENCH)_|_(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)$/;

/** Where settings come from, the later winning: file, environment, flags. */
export interface ConfigSources<S extends z.ZodObject> {
  readonly schema: S;
  /** By key (`brokerPort`); undefined counts as not given, text is read as in the environment. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** The process's environment if unset. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A JSON file, if neither the flag `config` nor HERMES_CONFIG names one. */
  readonly file?: string;
}

interface Given {
  readonly value: unknown;
  /** As the user wrote it: `--broker-port`, `HERMES_BROKER_PORT` or `brokerPort in hermes.json`. */
  readonly source: string;
}

/** Reads and checks a configuration. Throws ConfigError with all problems at once. */
export function loadConfig<S extends z.ZodObject>(sources: ConfigSources<S>): z.output<S> {
  // eslint-disable-next-line no-restricted-syntax -- the one place that reads it.
  const { schema, flags = {}, env = process.env } = sources;
  const problems: string[] = [];
  const path = [flags['config'], env['HERMES_CONFIG'], sources.file].find((name) => typeof name === 'string' && name);
  const given = new Map<string, Given>([
    ...fromFile(schema, path as string | undefined, problems),
    ...fromEnv(schema, env, problems),
    ...fromFlags(schema, flags, problems),
  ]);
  const result = schema.safeParse(Object.fromEntries([...given].map(([key, { value }]) => [key, value])));
  if (!result.success) {
    problems.push(...result.error.issues.map((issue) => describeIssue(issue, given)));
  }
  if (problems.length > 0 || !result.success) {
    throw new ConfigError(problems);
  }
  return result.data;
}

function fromFile(schema: z.ZodObject, path: string | undefined, problems: string[]): Map<string, Given> {
  const given = new Map<string, Given>();
  if (path === undefined) {
    return given;
  }
  const content = readObject(path);
  if (typeof content === 'string') {
    problems.push(content);
    return given;
  }
  for (const [key, value] of Object.entries(content)) {
    if (key in schema.shape) {
      given.set(key, { value, source: `${key} in ${path}` });
    } else if (!SETTING_KEYS.includes(key)) {
      problems.push(`${key} in ${path}: there is no such setting${didYouMean(key, SETTING_KEYS)}`);
    }
  }
  return given;
}

/** The file's object, or what is wrong with it. */
function readObject(path: string): object | string {
  try {
    if (statSync(path).size > FILE_BYTES_MAX) {
      return `${path}: bigger than 1 MiB`;
    }
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof content === 'object' && content !== null && !Array.isArray(content)
      ? content
      : `${path}: must hold one JSON object`;
  } catch (error) {
    return error instanceof SyntaxError ? `${path}: is not JSON` : `${path}: cannot be read`;
  }
}

function fromEnv(
  schema: z.ZodObject,
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Map<string, Given> {
  const given = new Map<string, Given>();
  for (const [key, field] of fieldsOf(schema)) {
    const source = envName(key);
    const text = env[source];
    if (text !== undefined && text !== '') {
      given.set(key, { value: coerceText(field, text), source });
    }
  }
  const known = [...SETTING_KEYS, ...Object.keys(schema.shape)].map(envName);
  for (const name of Object.keys(env)) {
    if (name.startsWith('HERMES_') && !known.includes(name) && !FOREIGN_ENV.test(name)) {
      problems.push(`${name}: there is no such setting${didYouMean(name, known)}`);
    }
  }
  return given;
}

function fromFlags(
  schema: z.ZodObject,
  flags: Readonly<Record<string, unknown>>,
  problems: string[],
): Map<string, Given> {
  const given = new Map<string, Given>();
  const fields = new Map(fieldsOf(schema));
  for (const [key, value] of Object.entries(flags)) {
    const field = fields.get(key);
    if (value === undefined || key === 'config') {
      continue;
    }
    if (field === undefined) {
      problems.push(`${flagName(key)}: there is no such setting`);
    } else {
      const read = typeof value === 'string' ? coerceText(field, value) : value;
      given.set(key, { value: read, source: flagName(key) });
    }
  }
  return given;
}

function describeIssue(issue: z.core.$ZodIssue, given: ReadonlyMap<string, Given>): string {
  const [key, ...rest] = issue.path.map(String);
  const message = issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
  if (key === undefined) {
    return message;
  }
  const source = given.get(key)?.source ?? envName(key);
  return `${[source, ...rest].join('.')}: ${message}`;
}

function didYouMean(name: string, known: readonly string[]): string {
  const near = known.find((candidate) => distance(candidate.toLowerCase(), name.toLowerCase()) <= 2);
  return near === undefined ? '' : `; did you mean ${near}?`;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
