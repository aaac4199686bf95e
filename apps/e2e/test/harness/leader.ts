import { eventually } from '@hermes/testing';

import { type Cluster, type MetaProcess } from './cluster.js';

/** The process that says of itself that it leads. */
export async function leaderOf({ metas }: Cluster): Promise<MetaProcess> {
  return eventually(
    async () => {
      for (const meta of metas) {
        const metrics = await meta.process.ops('/metrics').catch(() => ({ text: '' }));
        if (/^hermes_meta_server_leading 1$/m.test(metrics.text)) {
          return meta;
        }
      }
      throw new Error('nobody leads');
    },
    { deadlineMs: 60_000 },
  );
}
