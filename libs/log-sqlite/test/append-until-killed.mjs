// Appends and settles on two partitions until it is killed; prints what it was told is durable, a line each:
// `opened <partition> <floor>`, `appended <partition> <first offset> <text> …`, `settled <partition> <floor>`.
import { writeSync } from 'node:fs';

import { AppendBatch } from '@hermes/log';
import { openEmbeddedEngine } from '@hermes/log-sqlite';

const [directory, epochText] = process.argv.slice(2);
const epoch = Number(epochText);

/** Waits for a reader that is slow. */
function say(...words) {
  let rest = Buffer.from(`${words.join(' ')}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (error.code !== 'EAGAIN') {
        throw error;
      }
    }
  }
}

const engine = await openEmbeddedEngine({
  directory,
  onFatal: (error) => {
    throw error;
  },
});

async function run(partition) {
  const request = { topicId: 1, partition, epoch, incarnation: epoch, lanes: 1, created: epoch > 1 };
  const outcome = await engine.openPartition(request);
  if (outcome.kind !== 'opened') {
    throw new Error(JSON.stringify(outcome));
  }
  const { groupState, lanes } = outcome.store;
  await groupState.commit([{ kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 0, settled: [] }] }]);
  say('opened', partition, (await groupState.load(1)).lanes[0].floor);
  for (let number = 0; ; number += 1) {
    const texts = Array.from({ length: 1 + (number % 40) }, (_, index) => `${epoch}:${partition}:${number}:${index}`);
    const records = texts.map((text) => ({ record: Buffer.from(text.padEnd(50 * (number % 30), '.')), keyHash: 0 }));
    const [appended, settled] = await Promise.all([
      lanes[0].append(AppendBatch.pack(number + 1, records)),
      groupState.commit([{ kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: lanes[0].nextOffset, settled: [] } }]),
    ]);
    if (appended.kind !== 'appended' || settled.kind !== 'committed') {
      throw new Error(`${appended.kind} ${settled.kind}`);
    }
    say('appended', partition, appended.block.offset(0), ...texts);
    say('settled', partition, appended.block.from);
  }
}

await Promise.all([run(0), run(1)]);
