import { type MetadataOptions } from '../src/metadata-options.js';
import { type Metadata, type MetaServerStore } from '../src/metadata.js';
import { openMetadata } from '../src/open-metadata.js';

/** Metadata of a process that leads. */
export interface LedMetadata extends Metadata {
  readonly metaServers: MetaServerStore;
  /** Gives leadership back and closes the database; idempotent. */
  close(): Promise<void>;
}

/** Opens a database and waits until it leads. */
export async function lead({
  holder = 'meta-1:4370',
  ...options
}: MetadataOptions & { holder?: string }): Promise<LedMetadata> {
  const database = await openMetadata(options);
  try {
    const metadata = await database.lead({ holder, signal: new AbortController().signal });
    const close = async (): Promise<void> => {
      await metadata.resign();
      await database.close();
    };
    return { ...metadata, metaServers: database.metaServers, close };
  } catch (error) {
    await database.close();
    throw error;
  }
}
