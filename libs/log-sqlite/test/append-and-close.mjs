// Makes as many commits of one record as asked, one after the other, on one partition, then closes.
import { AppendBatch } from '@hermes/log';
import { openEmbeddedEngine } from '@hermes/log-sqlite';

const [directory, commits] = process.argv.slice(2);
const engine = await openEmbeddedEngine({
  directory,
  onFatal: (error) => {
    throw error;
  },
});
const request = { topicId: 1, partition: 0, epoch: 1, incarnation: 1, lanes: 1, created: false };
const { store } = await engine.openPartition(request);
for (let commit = 1; commit <= Number(commits); commit += 1) {
  const outcome = await store.lanes[0].append(AppendBatch.pack(commit, [{ record: Buffer.from('x'), keyHash: 0 }]));
  if (outcome.kind !== 'appended') {
    throw new Error(outcome.kind);
  }
}
await engine.close();
