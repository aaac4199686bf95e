import { randomBytes } from 'node:crypto';

import { createAuthority } from './certificates.js';
import { type Engine } from './engine.js';
import { type KafkaClientOptions, type KafkaSecurity, type KafkaUserName } from './kafka-cluster.js';
import { serverPort } from './server-port.js';

/** Where clients find brokers, wherever these run. */
export const KAFKA_HOST = '127.0.0.1';

/** A small heap, and of Kafka's log only what is amiss. */
const JVM_OPTIONS = ['-Xmx512m', '-Dlog4j2.level=WARN'];

/** Listeners of a broker: clients, the other brokers, and the controllers' quorum each have one. */
const LISTENERS = ['CLIENT', 'INTERNAL', 'CONTROLLER'] as const;
type Listener = (typeof LISTENERS)[number];

export interface KafkaNode {
  readonly nodeId: number;
  /** Where clients are told to find it: its own port, or a proxy's. */
  readonly clientsPort: number;
  readonly ports: Readonly<Record<Listener, number>>;
}

/** All that is decided about a cluster before it is known where its brokers run. */
export interface KafkaPlan {
  readonly clusterId: string;
  readonly nodes: readonly KafkaNode[];
  readonly settings: Readonly<Record<string, string>>;
  readonly jvmOptions: readonly string[];
  readonly security: KafkaSecurity;
  readonly passwords: Readonly<Record<KafkaUserName, string>>;
  readonly tls?: { readonly ca: string; readonly certificate: string; readonly key: string };
}

/** Where a broker runs. */
export interface KafkaPlace {
  /** The address that it listens on. */
  readonly bind: string;
  /** Where the other brokers find this one. */
  readonly reach: (node: KafkaNode) => string;
  readonly dataDirectory: string;
}

/** The started brokers of a plan, in its order. */
export interface KafkaServers {
  readonly engines: readonly Engine[];
  /** Ends them and deletes what they left. */
  remove(): Promise<void>;
}

export type KafkaPlanOptions = Pick<KafkaPlan, 'settings' | 'jvmOptions' | 'security'> & {
  readonly brokers: number;
  /** Opens a proxy in front of a broker's port, and gives its own. */
  readonly proxy?: (port: number) => Promise<number>;
};

/** Draws ports, passwords and, for TLS, a certificate. */
export async function planKafka({
  brokers,
  settings,
  jvmOptions,
  security,
  proxy,
}: KafkaPlanOptions): Promise<KafkaPlan> {
  const ports = new Set<number>();
  while (ports.size < brokers * LISTENERS.length) {
    ports.add(await serverPort());
  }
  const nodes: KafkaNode[] = [];
  for (let index = 0; index < brokers; index += 1) {
    const [client, internal, controller] = [...ports].slice(index * LISTENERS.length) as [number, number, number];
    nodes.push({
      nodeId: index + 1,
      clientsPort: (await proxy?.(client)) ?? client,
      ports: { CLIENT: client, INTERNAL: internal, CONTROLLER: controller },
    });
  }
  const password = (): string => randomBytes(12).toString('hex');
  return {
    // 16 bytes in base64, by which Kafka's own tools name a cluster. None may begin with a dash: that is an option.
    clusterId: `A${randomBytes(16).toString('base64url').slice(1)}`,
    nodes,
    settings,
    jvmOptions,
    security,
    passwords: { admin: password(), stranger: password() },
    ...(security.tls === true ? { tls: certificate() } : {}),
  };
}

function certificate(): NonNullable<KafkaPlan['tls']> {
  const authority = createAuthority();
  return { ca: authority.ca, ...authority.sign(KAFKA_HOST) };
}

export function addressOf({ clientsPort }: KafkaNode): string {
  return `${KAFKA_HOST}:${clientsPort}`;
}

export function clientOptions({ nodes, security, passwords, tls }: KafkaPlan, user: KafkaUserName): KafkaClientOptions {
  const { sasl } = security;
  return {
    brokers: nodes.map(addressOf),
    ...(tls === undefined ? {} : { ssl: { ca: [tls.ca] } }),
    ...(sasl === undefined ? {} : { sasl: { mechanism: sasl, username: user, password: passwords[user] } }),
  };
}

/** The file `server.properties` of this node: a broker and a controller in one process. */
export function serverProperties(plan: KafkaPlan, node: KafkaNode, place: KafkaPlace): string {
  const { nodes, settings } = plan;
  const copies = String(nodes.length);
  const inSync = String(Math.min(nodes.length, 2));
  const listeners = (host: (listener: Listener) => string, ports: KafkaNode['ports']): string =>
    LISTENERS.map((name) => `${name}://${host(name)}:${ports[name]}`).join(',');
  return propertiesFile({
    'process.roles': 'broker,controller',
    'node.id': String(node.nodeId),
    'controller.quorum.voters': nodes
      .map((voter) => `${voter.nodeId}@${place.reach(voter)}:${voter.ports.CONTROLLER}`)
      .join(','),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'INTERNAL',
    listeners: listeners(() => place.bind, node.ports),
    'advertised.listeners': listeners((name) => (name === 'CLIENT' ? KAFKA_HOST : place.reach(node)), {
      ...node.ports,
      CLIENT: node.clientsPort,
    }),
    'log.dirs': place.dataDirectory,
    'auto.create.topics.enable': 'false',
    'default.replication.factor': copies,
    'min.insync.replicas': inSync,
    // A broker that was killed may come back only when its session is over: 9 s, if this were not set.
    'broker.session.timeout.ms': '4000',
    'broker.heartbeat.interval.ms': '500',
    'group.initial.rebalance.delay.ms': '0',
    // One partition each: the first group or transaction does not wait until fifty logs are made on each broker.
    'offsets.topic.num.partitions': '1',
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.num.partitions': '1',
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': inSync,
    ...securityProperties(plan),
    ...settings,
  });
}

function securityProperties({ security: { sasl }, passwords, tls }: KafkaPlan): Record<string, string> {
  const protocol = sasl === undefined ? (tls === undefined ? 'PLAINTEXT' : 'SSL') : `SASL_${tls ? 'SSL' : 'PLAINTEXT'}`;
  return {
    'listener.security.protocol.map': `CLIENT:${protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    ...(sasl === undefined ? {} : saslProperties(sasl, passwords)),
    ...(tls === undefined
      ? {}
      : {
          'listener.name.client.ssl.keystore.type': 'PEM',
          'listener.name.client.ssl.keystore.certificate.chain': tls.certificate,
          'listener.name.client.ssl.keystore.key': tls.key,
        }),
  };
}

function saslProperties(
  mechanism: NonNullable<KafkaSecurity['sasl']>,
  passwords: KafkaPlan['passwords'],
): Record<string, string> {
  const users = Object.entries(passwords).map(([name, password]) => ` user_${name}="${password}"`);
  const login =
    mechanism === 'plain'
      ? `org.apache.kafka.common.security.plain.PlainLoginModule required${users.join('')};`
      : 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  return {
    'sasl.enabled.mechanisms': mechanism.toUpperCase(),
    [`listener.name.client.${mechanism}.sasl.jaas.config`]: login,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // Brokers talk to each other without a login, on listeners that no client is told of.
    'super.users': 'User:admin;User:ANONYMOUS',
  };
}

/** What formats the data directory at the first start, with users who log in by SCRAM, and then runs the broker. */
export function launchCommand(
  { clusterId, jvmOptions, security: { sasl }, passwords }: KafkaPlan,
  paths: { readonly java: string; readonly jars: string; readonly properties: string; readonly dataDirectory: string },
): string[] {
  const options = jvmOptions.join(' ');
  const script = [
    'echo "starting Kafka"; properties=$1 data=$2 java=$3 jars=$4 cluster=$5; shift 5',
    '[ -e "$data/meta.properties" ] ||',
    `"$java" ${options} -cp "$jars/*" kafka.tools.StorageTool format --cluster-id "$cluster" --config "$properties" "$@" || exit`,
    `exec "$java" ${options} ${JVM_OPTIONS.join(' ')} -cp "$jars/*" kafka.Kafka "$properties"`,
  ].join('\n');
  const users = Object.entries(passwords).flatMap(([name, password]) => [
    '--add-scram',
    `${(sasl ?? '').toUpperCase()}=[name=${name},password=${password}]`,
  ]);
  const { properties, dataDirectory, java, jars } = paths;
  const scram = sasl?.startsWith('scram') === true ? users : [];
  return ['sh', '-c', script, 'sh', properties, dataDirectory, java, jars, clusterId, ...scram];
}

/** Java's format of properties: lines, with `\` before what means something. */
function propertiesFile(properties: Readonly<Record<string, string>>): string {
  const escaped = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${escaped(value)}\n`)
    .join('');
}
