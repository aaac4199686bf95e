import { createNetwork, DockerEngine, openDocker, startContainer } from './docker-engine.js';
import { removeAll } from './engine.js';
import { type KafkaNode, type KafkaPlan, type KafkaServers, launchCommand, serverProperties } from './kafka-plan.js';
import { type TestRun } from './test-run.js';

/** The image, official or built by `tools/test-images`; both have `java` on PATH, and the jars there. */
const IMAGE = 'apache/kafka:4.1.0';
const JARS = '/opt/kafka/libs';
const PROPERTIES = '/etc/hermes-test/server.properties';
/** The user of the official image may write there. */
const DATA_DIRECTORY = '/var/tmp/kafka';

/** Starts the brokers in containers on a network of their own, unless there is no Docker or no image: then says why not. */
export async function openKafkaContainers(plan: KafkaPlan, run: TestRun): Promise<KafkaServers | string> {
  const client = await openDocker(IMAGE, run);
  if (typeof client === 'string') {
    return client;
  }
  const network = await createNetwork(client, run);
  const place = { bind: '0.0.0.0', reach: nameOf, dataDirectory: DATA_DIRECTORY };
  const paths = { java: 'java', jars: JARS, properties: PROPERTIES, dataDirectory: DATA_DIRECTORY };
  const [entrypoint = '', ...command] = launchCommand(plan, paths);
  const engines = await Promise.all(
    plan.nodes.map(async (node) => {
      const container = await startContainer(
        {
          image: IMAGE,
          entrypoint: [entrypoint],
          command,
          files: { [PROPERTIES]: serverProperties(plan, node, place) },
          ports: [{ container: node.ports.CLIENT, host: node.ports.CLIENT }],
          network: { id: network.id, alias: nameOf(node) },
          startedMessage: /starting Kafka/,
        },
        run,
      );
      return new DockerEngine(client, container.getId());
    }),
  );
  return {
    engines,
    remove: async () => {
      await removeAll(engines);
      await network.remove();
    },
  };
}

function nameOf({ nodeId }: KafkaNode): string {
  return `kafka-${nodeId}`;
}
