import { eventually } from '@hermes/testing';

import { type Cluster, type MetaProcess } from './cluster.js';

/** The processes that say of themselves that they lead. */
export async function leadersOf({ metas }: Cluster): Promise<MetaProcess[]> {
  const pages = await Promise.all(
    metas.map(({ process }) =>
      process.ops('/metrics').then(
        ({ text }) => text,
        () => '',
      ),
    ),
  );
  return metas.filter((_, nth) => /^hermes_meta_server_leading 1$/m.test(pages[nth] ?? ''));
}

/** The one that leads, once one does. */
export function leaderOf(cluster: Cluster): Promise<MetaProcess> {
  return eventually(
    async () => {
      const [leader] = await leadersOf(cluster);
      if (leader === undefined) {
        throw new Error('nobody leads');
      }
      return leader;
    },
    { deadlineMs: 60_000 },
  );
}
