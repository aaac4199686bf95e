import { StorageClass } from '@hermes/contracts';
import { sleep, type Timers } from '@hermes/runtime';
import { type Catalog } from '../catalog/catalog.js';
import { type DataSources } from './data-sources.js';

/** A broker asks for partitions after this at the latest: what is away then may come later. */
const PATIENCE_MS = 1_000;

/** With more data sources than these a broker likely uses a part of them: each is connected to when it is first needed. */
const SOURCES_MAX = 8;

/**
 * Connects to a meta-server and to the MySQL data sources before partitions are asked for: what is moved here is served
 * by nobody until it is open here, and its callers would wait for that as well. Resolves once it is done, after a
 * second at most; what fails will fail again for those who need it.
 */
export async function connectAhead({
  catalog,
  dataSources,
  timers,
}: {
  readonly catalog: Pick<Catalog, 'listDataSources'>;
  readonly dataSources: Pick<DataSources, 'mysql'>;
  readonly timers: Timers;
}): Promise<void> {
  const connected = (async () => {
    const all = await catalog.listDataSources();
    const sources = all.filter(({ storageClass }) => storageClass === StorageClass.MYSQL);
    if (sources.length <= SOURCES_MAX) {
      await Promise.all(sources.map((source) => dataSources.mysql(source).catch(() => undefined)));
    }
  })().catch(() => undefined);
  const over = new AbortController();
  await Promise.race([connected, sleep(timers, PATIENCE_MS, over.signal).catch(() => undefined)]);
  over.abort();
}
