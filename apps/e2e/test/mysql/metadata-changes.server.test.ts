import { connect, GroupMode, type Hermes, HermesError } from '@hermes/client';
import { eventually, sharedMysql } from '@hermes/testing';

import { leaderOf } from '../harness/leader.js';
import { MysqlCluster } from '../harness/mysql-cluster.js';
import { placed } from '../harness/placed.js';

const KILLS = 2;
const PATIENCE = { deadlineMs: 60_000 };
const PARTITIONS = 2;
const BODY_BYTES = 1_000;
const GROUP = 'billing';

/** What is made of one topic, in this order; each step waits for the answer to the one before. */
const STEPS = ['topic', 'group', 'update'] as const;
type Step = (typeof STEPS)[number];

/** Makes topics, one after the other, each with a group and a change, and keeps what was answered. */
class Changes {
  /** How far each topic came, as it was answered. */
  readonly answered = new Map<string, Step[]>();
  /** What was answered instead. */
  readonly failures: { readonly topic: string; readonly step: Step; readonly code: string }[] = [];

  constructor(
    private readonly hermes: Hermes,
    private readonly name: string,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    for (let nth = 0; !signal.aborted; nth += 1) {
      await this.#make(`${this.name}-${nth}`);
    }
  }

  /** The step, whether it was done before or not. */
  async repeat(topic: string, step: Step): Promise<void> {
    const { admin } = this.hermes;
    if (step === 'topic') {
      await admin.createTopic({ name: topic, partitions: PARTITIONS });
    } else if (step === 'group') {
      await admin.createGroup({ topic, name: GROUP, mode: GroupMode.EXCLUSIVE });
    } else {
      await admin.updateTopic({ name: topic, maxBodyBytes: BODY_BYTES }, ['max_body_bytes']);
    }
  }

  async #make(topic: string): Promise<void> {
    const done: Step[] = [];
    this.answered.set(topic, done);
    for (const step of STEPS) {
      try {
        await this.repeat(topic, step);
        done.push(step);
      } catch (error) {
        this.failures.push({ topic, step, code: error instanceof HermesError ? error.code : String(error) });
        return;
      }
    }
  }
}

/** What is there of a topic. */
async function found({ admin }: Hermes, topic: string): Promise<Step[]> {
  const isThere = (look: Promise<unknown>): Promise<boolean> =>
    look.then(
      () => true,
      (error: unknown) => {
        expect(error).toMatchObject({ code: expect.stringMatching(/^(TOPIC|GROUP)_NOT_FOUND$/) as string });
        return false;
      },
    );
  if (!(await isThere(admin.getTopic(topic)))) {
    return [];
  }
  const { partitions, maxBodyBytes } = await admin.getTopic(topic);
  expect(partitions).toBe(PARTITIONS);
  const hasGroup = await isThere(admin.getGroup(topic, GROUP));
  return [
    'topic',
    ...(hasGroup ? ['group' as const] : []),
    ...(maxBodyBytes === BODY_BYTES ? ['update' as const] : []),
  ];
}

/** Waits until every partition of the topic has its owner. */
async function served(hermes: Hermes, topic: string): Promise<void> {
  await eventually(async () => {
    expect((await placed(hermes, topic)).map(({ broker }) => broker)).toEqual(['broker-0', 'broker-0']);
  }, PATIENCE);
}

// On one of the servers: they differ in nothing that this is about, and it takes its time.
describe.each(['mysql'] as const)('changes of the metadata on %s while leaders die', (kind) => {
  it('what was answered is there, what was not is there wholly or not at all, and a repeat makes it so', async () => {
    await using database = await (await sharedMysql(kind)).createDatabase();
    await using cluster = await MysqlCluster.startShared(database, { metaServers: 2, brokers: 1 });
    const { hermes, processes } = cluster;
    await using direct = await connect({ metaServers: processes.metaEndpoints });
    const makers = [new Changes(hermes, 'gateway'), new Changes(direct, 'direct')];
    const made = (): number => makers.reduce((sum, { answered }) => sum + answered.size, 0);
    const enough = new AbortController();
    const running = makers.map((maker) => maker.run(enough.signal));
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const before = made();
      await eventually(() => made() > before + 5, PATIENCE);
      const { process } = await leaderOf(processes);
      await process.end('SIGKILL');
      await process.startReady();
    }
    const before = made();
    await eventually(() => made() > before + 5, PATIENCE);
    enough.abort();
    await Promise.all(running);

    process.stdout.write(
      `${kind}: ${made()} topics made while ${KILLS} leaders were killed; not answered: ` +
        `${makers.flatMap(({ failures }) => failures.map(({ step, code }) => `${step} ${code}`)).join(', ')}\n`,
    );
    for (const maker of makers) {
      for (const [topic, steps] of maker.answered) {
        expect([topic, await found(hermes, topic)]).toEqual([topic, expect.arrayContaining(steps)]);
      }
      for (const { topic, step, code } of maker.failures) {
        expect([topic, step, code]).toEqual([topic, step, 'OUTCOME_UNKNOWN']);
        if ((await found(hermes, topic)).length > 0) {
          await served(hermes, topic);
        }
        await maker.repeat(topic, step);
        expect(await found(hermes, topic)).toContain(step);
        await served(hermes, topic);
      }
    }
  });
});
