import { execFile, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { env, stderr } from 'node:process';
import { promisify } from 'node:util';

import { removeAll } from './engine.js';
import { KAFKA_HOST, type KafkaPlan, type KafkaServers, launchCommand, serverProperties } from './kafka-plan.js';
import { ProcessEngine } from './process-engine.js';
import { runScript } from './server-program.js';
import { type TestRun } from './test-run.js';

const JAVA_VERSION_MIN = 17;

/** Java, and the directory with the jars of Kafka. */
interface KafkaProgram {
  readonly java: string;
  readonly jars: string;
}

/** Starts the brokers as child processes, unless Java or the jars cannot be had: then says why not. */
export async function openKafkaPrograms(plan: KafkaPlan, run: TestRun): Promise<KafkaServers | string> {
  const program = await run.once('kafka-program', () => Promise.resolve(findKafka()));
  if (typeof program === 'string') {
    return program;
  }
  const engines = plan.nodes.map((node) => {
    const directory = run.newDirectory('kafka');
    const [properties, dataDirectory] = [join(directory, 'server.properties'), join(directory, 'data')];
    const place = { bind: KAFKA_HOST, reach: () => KAFKA_HOST, dataDirectory };
    writeFileSync(properties, serverProperties(plan, node, place), { mode: 0o600 });
    return new ProcessEngine(directory, launchCommand(plan, { ...program, properties, dataDirectory }));
  });
  await Promise.all(engines.map((engine) => engine.start()));
  return { engines, remove: () => removeAll(engines) };
}

/**
 * Runs a Java program from its source file, with Kafka's jars on its class path. False, and a note, on a machine without
 * a JDK. Rejects with what the program says if it fails.
 */
export async function runWithKafkaJars(file: string, args: readonly string[]): Promise<boolean> {
  const java = findJava();
  const program = java !== undefined && canCompile(java) ? findKafka() : `no JDK ${JAVA_VERSION_MIN} on PATH`;
  if (typeof program === 'string') {
    stderr.write(`not tested here: ${program}\n`);
    return false;
  }
  await promisify(execFile)(program.java, ['-cp', join(program.jars, '*'), file, ...args]);
  return true;
}

function canCompile(java: string): boolean {
  return spawnSync(java, ['--list-modules'], { encoding: 'utf8' }).stdout.includes('jdk.compiler');
}

/** The jars come from Maven, into a cache; as root on Debian, Java and Maven come from its packages, announced. */
function findKafka(): KafkaProgram | string {
  const jars = runScript('kafka-jars.sh');
  if (jars === undefined) {
    return `Java ${JAVA_VERSION_MIN} and Maven are missing, or Maven cannot get the jars of Kafka`;
  }
  const java = findJava();
  return java === undefined ? `no java of version ${JAVA_VERSION_MIN} or newer on PATH` : { java, jars };
}

function findJava(): string | undefined {
  const { JAVA_HOME: home, PATH: path = '' } = env;
  const directories = [...(home === undefined ? [] : [join(home, 'bin')]), ...path.split(delimiter)];
  return directories
    .map((directory) => join(directory, 'java'))
    .find((java) => existsSync(java) && javaVersion(java) >= JAVA_VERSION_MIN);
}

function javaVersion(java: string): number {
  const { stderr } = spawnSync(java, ['-version'], { encoding: 'utf8' });
  return Number(/version "(\d+)/.exec(stderr)?.[1]);
}
