import { EventEmitter, once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

import { FakeClock } from '@hermes/testing';
import { logLevel } from 'kafkajs';
import Broker from 'kafkajs/src/broker/index.js';
import BrokerPool from 'kafkajs/src/cluster/brokerPool.js';
import createConnectionPoolBuilder from 'kafkajs/src/cluster/connectionPoolBuilder.js';
import { createLogger } from 'kafkajs/src/loggers/index.js';
import createSocketFactory from 'kafkajs/src/network/socketFactory.js';

import { boundedSockets, mendConnections } from './kafka-connections.js';
import { type KafkaCounters, kafkaCounters } from './kafka-figures.js';

const HERE = { host: 'k1', port: 9092, ssl: {}, onConnect: () => undefined };

function attempts(open: () => unknown, count: number): number {
  let opened = 0;
  for (let attempt = 0; attempt < count; attempt += 1) {
    try {
      open();
      opened += 1;
    } catch {
      // Not now.
    }
  }
  return opened;
}

describe('boundedSockets', () => {
  let clock: FakeClock;
  let sockets: Socket[];
  let counters: KafkaCounters;
  let open: ReturnType<typeof boundedSockets>;
  beforeEach(() => {
    clock = new FakeClock();
    sockets = [];
    counters = kafkaCounters();
    open = boundedSockets(clock, counters, () => {
      const socket = new EventEmitter() as unknown as Socket;
      sockets.push(socket);
      return socket;
    });
  });

  it('opens as many as a broker needs at once, then a few a second', () => {
    expect(attempts(() => open(HERE), 100)).toBe(20);
    expect(counters).toMatchObject({ connections: 20, connectionsHeldBack: 80 });
    clock.advance(1_000);
    expect(attempts(() => open(HERE), 100)).toBe(5);
    clock.advance(3_600_000);
    expect(attempts(() => open(HERE), 100)).toBe(20);
  });

  it('counts each address by itself', () => {
    attempts(() => open(HERE), 100);
    expect(attempts(() => open({ ...HERE, host: 'k2' }), 100)).toBe(20);
    expect(attempts(() => open({ ...HERE, port: 9093 }), 100)).toBe(20);
  });

  it('says why the last connection failed where it opens none', () => {
    attempts(() => open(HERE), 20);
    sockets[0]?.emit('error', new Error('connect ECONNREFUSED'));
    expect(() => open(HERE)).toThrow('connect ECONNREFUSED');
  });
});

describe('a broker that takes connections and answers nothing', () => {
  let mute: Server;
  const sockets: Socket[] = [];
  let brokers: BrokerPool;
  beforeAll(async () => {
    mendConnections();
    mute = createServer((socket) => sockets.push(socket.on('error', () => undefined)));
    await once(mute.listen(0, '127.0.0.1'), 'listening');
    const logger = createLogger({ level: logLevel.NOTHING, logCreator: () => () => undefined });
    const { port } = mute.address() as AddressInfo;
    const connectionPoolBuilder = createConnectionPoolBuilder({
      brokers: [`127.0.0.1:${port}`],
      socketFactory: createSocketFactory(),
      requestTimeout: 20,
      enforceRequestTimeout: true,
      connectionTimeout: 1_000,
      logger,
    });
    brokers = new BrokerPool({ connectionPoolBuilder, logger, retry: { initialRetryTime: 1, retries: 2 } });
    const silent = new Broker({ connectionPool: await connectionPoolBuilder.build(), logger, nodeId: 1 });
    const answers = new Broker({ connectionPool: await connectionPoolBuilder.build(), logger, nodeId: 2 });
    answers.connect = () => Promise.resolve();
    brokers.brokers = { 1: silent, 2: answers };
  });
  afterAll(async () => {
    await brokers.disconnect();
    sockets.forEach((socket) => socket.destroy());
    mute.close();
  });

  it('is waited for once', async () => {
    await expect(brokers.findBroker({ nodeId: '1' })).rejects.toMatchObject({ name: 'KafkaJSConnectionError' });
    expect(sockets).toHaveLength(1);
  });

  it('is asked last from then on, even where its connection is open', async () => {
    const [silent, answers] = Object.values(brokers.brokers);
    silent!.isConnected = () => true;
    expect(await brokers.findConnectedBroker()).toBe(answers);
  });
});
