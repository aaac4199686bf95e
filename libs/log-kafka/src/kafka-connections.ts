import type { Clock } from '@hermes/runtime';
import type { ISocketFactory } from 'kafkajs';
import { KafkaJSConnectionError } from 'kafkajs';
import Broker from 'kafkajs/src/broker/index.js';
import BrokerPool from 'kafkajs/src/cluster/brokerPool.js';
import Connection from 'kafkajs/src/network/connection.js';
import ConnectionPool, { type ProtocolRequest } from 'kafkajs/src/network/connectionPool.js';
import createSocketFactory from 'kafkajs/src/network/socketFactory.js';
import apiKeys from 'kafkajs/src/protocol/requests/apiKeys.js';

import { isKafkaError } from './kafka-fault.js';
import type { KafkaCounters } from './kafka-figures.js';

/** Connections to one address that are opened at once, and how many more later: a cluster that is away is left alone. */
const BURST = 20;
const PER_SECOND = 5;

/** Answers about several partitions, each with an error code of its own. */
const PARTITIONED: ReadonlySet<number> = new Set([apiKeys.Produce, apiKeys.Fetch, apiKeys.Metadata]);

/** In front of each answer. */
const LENGTH_BYTES = 4;

interface Attempts {
  left: number;
  atMs: number;
  problem: string;
}

/** Opens sockets for all connections of an engine, not more often than an address can bear: above that it throws. */
export function boundedSockets(
  clock: Clock,
  counters: KafkaCounters,
  open: ISocketFactory = createSocketFactory(),
): ISocketFactory {
  const known = new Map<string, Attempts>();
  return (options) => {
    const address = `${options.host}:${options.port}`;
    const attempts = known.get(address) ?? { left: BURST, atMs: 0, problem: `${address} is connected to too often` };
    known.set(address, attempts);
    const nowMs = clock.monotonicMs();
    attempts.left = Math.min(BURST, attempts.left + ((nowMs - attempts.atMs) / 1_000) * PER_SECOND);
    attempts.atMs = nowMs;
    if (attempts.left < 1) {
      counters.connectionsHeldBack += 1;
      throw new Error(attempts.problem);
    }
    attempts.left -= 1;
    counters.connections += 1;
    const socket = open(options);
    socket.once('error', ({ message }: Error) => {
      attempts.problem = message;
    });
    // kafkajs does it again for each call that finds it closed, and each time Node would wait for it to be connected.
    socket.once('close', () => {
      socket.unref = () => socket;
    });
    return socket;
  };
}

/**
 * Has all partitions' answers given as they stand: kafkajs rejects the whole if one partition has an error, without
 * saying which.
 */
export function withEachAnswer(pool: ConnectionPool): ConnectionPool {
  const send = pool.send.bind(pool);
  pool.send = (call) => {
    const response = { ...call.response, parse: (answer: unknown) => Promise.resolve(answer) };
    return send(PARTITIONED.has(call.request.apiKey) ? { ...call, response } : call);
  };
  return pool;
}

let isMended = false;

/** Mends the connections of kafkajs, which are lost and opened again. For the process; harmless when repeated. */
export function mendConnections(): void {
  if (!isMended) {
    isMended = true;
    mendConnection(Connection.prototype);
    mendPool(ConnectionPool.prototype);
    mendBroker(Broker.prototype);
    mendChoice(BrokerPool.prototype);
  }
}

function mendConnection(prototype: Connection): void {
  // Taken off to be called with what they are called with.
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const { connect, processData } = prototype;
  const connecting = new WeakMap<Connection, Promise<unknown>>();
  // Two calls that find it closed would open two sockets, and one of them would never be closed.
  prototype.connect = function (this: Connection) {
    const known = connecting.get(this);
    if (known !== undefined || this.isConnected()) {
      return known ?? Promise.resolve(true);
    }
    forgetPartOfAnswer(this);
    const opening = connect.call(this).finally(() => connecting.delete(this));
    connecting.set(this, opening);
    return opening;
  };
  // What cannot be read would end the process: it ends the connection.
  prototype.processData = function (this: Connection, bytes: Buffer) {
    try {
      processData.call(this, bytes);
    } catch (error) {
      this.socket?.destroy(error as Error);
    }
  };
}

/** Those that have let the last request time out: a broker that stands still takes connections, and answers nothing. */
const silent = new WeakSet<ConnectionPool>();

const isTimeout = (error: unknown): error is Error =>
  isKafkaError(error) && error.name === 'KafkaJSRequestTimeoutError';

/** Whoever has not answered is not asked again on these connections: as long as one is open, kafkajs prefers it to others. */
function mendPool(prototype: ConnectionPool): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const { send } = prototype;
  prototype.send = async function (this: ConnectionPool, call: ProtocolRequest) {
    try {
      const answer = await send.call(this, call);
      silent.delete(this);
      return answer;
    } catch (error) {
      if (isTimeout(error)) {
        silent.add(this);
        this.pool.forEach(({ socket }) => socket?.destroy(error));
      }
      throw error;
    }
  };
}

/** One that has taken the connection and told nothing yet, as one does that stands still, is not connected. */
function mendBroker(prototype: Broker): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const { connect, isConnected } = prototype;
  const told = new WeakSet<Broker>();
  prototype.connect = async function (this: Broker) {
    try {
      await connect.call(this);
      told.add(this);
    } catch (error) {
      if (!isTimeout(error)) {
        throw error;
      }
      silent.add(this.connectionPool);
      // As it is, kafkajs would wait as long again, twice.
      const { host, port } = this.connectionPool;
      throw new KafkaJSConnectionError(error.message, { broker: `${host}:${port}` });
    }
  };
  prototype.isConnected = function (this: Broker) {
    return told.has(this) && isConnected.call(this);
  };
}

/** Where any broker will do, those that have not answered come last: kafkajs chooses at random. */
function mendChoice(prototype: BrokerPool): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const { findConnectedBroker } = prototype;
  const reluctance = (broker: Broker): number =>
    (silent.has(broker.connectionPool) ? 2 : 0) + (broker.isConnected() ? 0 : 1);
  prototype.findConnectedBroker = async function (this: BrokerPool) {
    const brokers = Object.entries(this.brokers).sort(([, one], [, other]) => reluctance(one) - reluctance(other));
    for (const [nodeId] of brokers) {
      try {
        return await this.findBroker({ nodeId });
      } catch {
        // Perhaps another one.
      }
    }
    return findConnectedBroker.call(this);
  };
}

/** The end of an answer that was cut never comes: what a new socket brings is no continuation. */
function forgetPartOfAnswer(connection: Connection): void {
  connection.chunks = [];
  connection.bytesBuffered = 0;
  connection.bytesNeeded = LENGTH_BYTES;
}
