import { connect, type Hermes } from '@hermes/client';
import { eventually } from '@hermes/testing';
import { env, stderr } from 'node:process';

import { ComposeProject, docker, missingDocker } from '../harness/compose-project.js';
import { seenAll, settledAll } from '../harness/drain.js';
import { Ledger, NO_VIOLATIONS } from '../harness/ledger.js';
import { publishLoad, startConsumer } from '../harness/load.js';
import { placed } from '../harness/placed.js';

const TOPIC = { topic: 'orders', group: 'billing' } as const;
const PARTITIONS = 8;
const MESSAGES = 6_000;
/** The broker is killed when so many publishes have ended. */
const KILL_AFTER = 2_000;
/** A container that is gone does not refuse connections: its lease of 10 s has to end. */
const MOVE_DEADLINE_MS = 60_000;
/** Building the image alone takes minutes where nothing of it is cached. */
const TEST_DEADLINE_MS = 900_000;

const missing = missingDocker();
const isRequired = (env['HERMES_TEST_SOURCES'] ?? '').split(',').includes('docker');
if (missing !== undefined && !isRequired) {
  stderr.write(`hermes: ${missing}, so deploy/compose.yaml is not tested here\n`);
}

async function ownersOf(hermes: Hermes): Promise<Set<string>> {
  return new Set((await placed(hermes, TOPIC.topic)).map(({ broker }) => broker));
}

/** The container of a broker: brokers are called after their host names, which are the ids of their containers. */
function containerOf(broker: string): string {
  return broker.replace(/-\d+$/, '');
}

async function exitCodeOf(container: string): Promise<number> {
  return Number(await docker('inspect', '--format', '{{.State.ExitCode}}', container));
}

(missing === undefined || isRequired ? describe : describe.skip)('deploy/compose.yaml', () => {
  it(
    'starts a cluster on MySQL that loses nothing when a broker is killed, keeps its secrets, and stops in order',
    async () => {
      await using project = await ComposeProject.start();
      const hermes = await connect({ gateway: project.gatewayEndpoint });
      const ready = await fetch(`http://127.0.0.1:${project.gatewayOpsPort}/readyz`);
      expect(await ready.text()).toBe('ready\n');

      await hermes.admin.createTopic({ name: TOPIC.topic, partitions: PARTITIONS });
      await hermes.admin.createGroup({ topic: TOPIC.topic, name: TOPIC.group });
      await eventually(async () => (await ownersOf(hermes)).size === 2, { deadlineMs: MOVE_DEADLINE_MS });
      const onMysql = new Array<string>(PARTITIONS).fill('mysql');
      expect((await placed(hermes, TOPIC.topic)).map(({ dataSource }) => dataSource)).toEqual(onMysql);

      const ledger = new Ledger();
      const consumer = startConsumer(hermes, ledger, { ...TOPIC, name: 'c-1' });
      const [victim = '', survivor = ''] = await ownersOf(hermes);
      let killed: Promise<unknown> | undefined;
      await publishLoad(hermes, ledger, {
        ...{ topic: TOPIC.topic, name: 'load', messages: MESSAGES, keys: 100 },
        onProgress: (ended) => {
          if (ended >= KILL_AFTER) {
            killed ??= docker('kill', containerOf(victim));
          }
        },
      });
      await killed;
      await eventually(
        async () => {
          expect([...(await ownersOf(hermes))]).toEqual([survivor]);
        },
        { deadlineMs: MOVE_DEADLINE_MS, intervalMs: 100 },
      );
      await publishLoad(hermes, ledger, { topic: TOPIC.topic, name: 'after', messages: 500, keys: 100 });
      await seenAll(hermes, ledger, TOPIC.topic, TOPIC.group);
      await settledAll(hermes, TOPIC.topic, TOPIC.group);
      await consumer.stop();
      await hermes.close();
      expect(ledger.violations(TOPIC.group)).toEqual(NO_VIOLATIONS);
      expect(ledger.acknowledged).toBeGreaterThan(MESSAGES / 2);

      const seen = await docker('inspect', ...(await project.containers()));
      expect(project.secrets()).toHaveLength(3);
      expect(project.secrets().filter((secret) => seen.includes(secret))).toEqual([]);

      // SIGTERM reaches node, which gives its leases back and ends by itself.
      await project.compose('stop', 'broker', 'gateway', 'meta-server');
      const [meta = '', gateway = ''] = [
        ...(await project.containers('meta-server')),
        ...(await project.containers('gateway')),
      ];
      expect(await Promise.all([containerOf(survivor), meta, gateway].map(exitCodeOf))).toEqual([0, 0, 0]);
    },
    TEST_DEADLINE_MS,
  );
});
