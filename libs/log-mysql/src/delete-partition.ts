import type { ConnectionSet } from './connection-set.js';
import { SWEEP_ROWS } from './group-sql.js';
import { PARTITION_TABLES } from './migrations.js';
import type { PartitionAddress } from './partition-rows.js';

/** Removes a partition: its state first, which fences whoever may still have it. May be cut short and repeated. */
export async function deletePartition(control: ConnectionSet, address: PartitionAddress): Promise<string[]> {
  const { topicId, partition } = address;
  const remove = (table: string, limit = ''): Promise<number> =>
    control.run(async (session) => {
      const sql = `DELETE FROM ${table} WHERE topic_id = ? AND partition_no = ? ${limit}`;
      return (await session.execute(sql, [topicId, partition])).affected;
    });
  await remove('partition_state');
  for (const table of PARTITION_TABLES) {
    while ((await remove(table, `LIMIT ${SWEEP_ROWS}`)) > 0) {
      // Each round deletes some rows.
    }
  }
  const lanes = await laneTables(control, address);
  for (const lane of lanes) {
    await control.run((session) => session.query(`DROP TABLE IF EXISTS ${lane}`));
  }
  await remove('lane_state');
  return lanes;
}

/** Those that are there, with a row or without. */
async function laneTables(control: ConnectionSet, { topicId, partition }: PartitionAddress): Promise<string[]> {
  const { rows } = await control.run((session) =>
    session.execute(
      `SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name REGEXP ?`,
      [`^t${topicId}_p${partition}_l[0-9]+$`],
    ),
  );
  return rows.map(([name]) => String(name));
}
