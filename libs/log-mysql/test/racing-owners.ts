import { type PartitionStore, StoreError } from '@hermes/log';
import { SeededRandom } from '@hermes/testing';

import type { MysqlEngine } from '../src/index.js';
import type { StoreFixture } from './store-fixture.js';

const SEED = 20_261_125;

/** Opens the partition, at a higher epoch each time that a connection is lost on the way, as its meta-server does. */
export async function takeOver(
  fixture: StoreFixture,
  engine: MysqlEngine,
  partition: number,
  epochMin: number,
): Promise<PartitionStore> {
  for (let epoch = epochMin; ; epoch += 1) {
    try {
      return await fixture.opened(engine, { partition, epoch, created: epoch > 1, incarnation: epoch });
    } catch (error) {
      if (!(error instanceof StoreError && error.kind === 'unavailable')) {
        throw error;
      }
    }
  }
}

/** Ends some connections of the database, as a network or an operator does. */
export async function killSome(fixture: StoreFixture, random = new SeededRandom(SEED)): Promise<void> {
  const rows = await fixture.database.query(
    `SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()`,
  );
  for (const { id, ID } of rows) {
    if (random.next() < 0.5) {
      // It may have ended by itself meanwhile.
      await fixture.database.query(`KILL ${Number(id ?? ID)}`).catch(() => undefined);
    }
  }
}
