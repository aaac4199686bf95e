import { env, stderr } from 'node:process';

import { type ServerSource } from './server-source.js';

/** Sources that this machine must have; CI names those that it has set up. */
const REQUIRED_SOURCES = (env['HERMES_TEST_SOURCES'] ?? '').split(',');

/** For tests of a source: what `start` gives; undefined, and a note, where the machine has no such source and need not. */
export async function ifSourceExists<T>(source: ServerSource, start: () => Promise<T>): Promise<T | undefined> {
  try {
    return await start();
  } catch (error) {
    if (REQUIRED_SOURCES.includes(source) || !(error instanceof Error && error.message.startsWith('no '))) {
      throw error;
    }
    stderr.write(`not tested here: ${error.message}\n`);
    return undefined;
  }
}
