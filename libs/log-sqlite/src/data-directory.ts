import { randomUUID } from 'node:crypto';
import { access, constants, mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';

import { StoreError } from '@hermes/log';

/** What is written down once, when a data directory is made. */
export interface DirectoryFacts {
  /** Partitions are placed on this id, not on a path. */
  readonly id: string;
  /** Number of shard files; a partition's shard is fixed by it. */
  readonly shards: number;
}

/** Makes the directory if it is missing. Fails with `directoryUnusable`. */
export async function prepareDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new StoreError('directoryUnusable', `${directory} cannot be written: ${messageOf(error)}`, {
      details: { path: directory },
      cause: error,
    });
  }
}

/** The lock that one broker holds for life. */
export function lockPath(directory: string): string {
  return join(directory, 'broker.lock');
}

export function shardPath(directory: string, shard: number): string {
  return join(directory, `shard-${shard}.db`);
}

/** Reads the directory's facts, or writes them down with `shards` if it is new. Only under the lock. */
export async function readOrMakeFacts(directory: string, shards: number): Promise<DirectoryFacts> {
  const path = join(directory, 'directory.json');
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw new StoreError('directoryUnusable', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  });
  if (text !== undefined) {
    return parseFacts(path, text);
  }
  const facts: DirectoryFacts = { id: randomUUID(), shards };
  await writeDurably(directory, path, `${JSON.stringify(facts, undefined, 2)}\n`);
  return facts;
}

function parseFacts(path: string, text: string): DirectoryFacts {
  const facts = parseJson(text) as Partial<DirectoryFacts> | undefined;
  const { id, shards } = facts ?? {};
  if (typeof id !== 'string' || typeof shards !== 'number' || !Number.isInteger(shards) || shards < 1) {
    throw new StoreError('dataLoss', `${path} is damaged: it names the directory's id and number of shards`);
  }
  return { id, shards };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller says what is wrong with the file as a whole.
    return undefined;
  }
}

/** Whole or not at all, also after a power cut. */
async function writeDurably(directory: string, path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  const file = await open(draft, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  const parent = await open(directory, 'r');
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
