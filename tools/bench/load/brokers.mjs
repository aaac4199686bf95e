// Brokers that store nothing, and watchers of routes, against one meta-server: each broker holds its lease over a connection
// of its own, listens at its address, and serves at once what it is granted. Measures what the meta-server takes for it.
import { readFileSync } from 'node:fs';

import contracts from '@hermes/contracts';
import grpc from '@grpc/grpc-js';
import hdr from 'hdr-histogram-js';

import { residentMiB } from '../cluster.mjs';
import { sleep } from '../shapes.mjs';
import { SimulatedBroker } from './simulated-broker.mjs';

const DATA_SOURCE = 'shared';
/** CreateTopic calls in flight. */
const CREATES_IN_FLIGHT = 50;
const ADMIN_DEADLINE_MS = 60_000;
/** A row is given up when nothing has come of it after this. */
const AWAIT_MS = 60_000;
/** Of /proc/PID/stat, on every Linux. */
const TICKS_PER_SECOND = 100;

/** Processor seconds that a process has used, in all of its threads. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Times of heartbeats, from before they are sent to their answers. */
class Latencies {
  #histogram = hdr.build({ useWebAssembly: false });

  note = (ms) => this.#histogram.recordValue(Math.max(1, Math.round(ms * 1000)));

  /** In ms, since the last call. */
  take() {
    const at = (percentile) => this.#histogram.getValueAtPercentile(percentile) / 1000;
    const taken = { p50: at(50), p99: at(99), max: this.#histogram.maxValue / 1000, count: this.#histogram.totalCount };
    this.#histogram.reset();
    return taken;
  }
}

/** What is to come to somebody, key by key; resolves with the time at which all of it has. */
class Awaited {
  #waits = new Set();

  all(keys) {
    return new Promise((resolve, reject) => {
      const missing = new Set(keys);
      const timer = setTimeout(() => reject(new Error(`${missing.size} partitions did not come`)), AWAIT_MS);
      const done = () => {
        clearTimeout(timer);
        resolve(performance.now());
      };
      this.#waits.add({ missing, done });
    });
  }

  came(key) {
    for (const wait of this.#waits) {
      if (wait.missing.delete(key) && wait.missing.size === 0) {
        this.#waits.delete(wait);
        wait.done();
      }
    }
  }
}

/** Follows the routes of all topics; `moved` knows those whose endpoint is another one than before. */
class Watcher {
  moved = new Awaited();
  #endpoints = new Map();
  #client;

  constructor(metaServer) {
    const options = { 'grpc.use_local_subchannel_pool': 1, 'grpc.max_receive_message_length': 10 << 20 };
    this.#client = new contracts.CoordinationServiceClient(metaServer, grpc.credentials.createInsecure(), options);
    const call = this.#client.watchRoutes({ topics: [] });
    call.on('data', ({ topics }) => {
      for (const { topic, routes } of topics) {
        for (const { partition, endpoint } of routes) {
          this.#told(`${topic}/${partition}`, endpoint);
        }
      }
    });
    call.on('error', () => undefined);
  }

  close() {
    this.#client.close();
  }

  #told(key, endpoint) {
    if (endpoint !== '' && endpoint !== this.#endpoints.get(key)) {
      this.#endpoints.set(key, endpoint);
      this.moved.came(key);
    }
  }
}

class Rehearsal {
  #args;
  #latencies = new Latencies();
  #granted = new Awaited();
  #brokers = [];
  #watchers = [];

  constructor(args) {
    this.#args = args;
  }

  async run() {
    const { brokers, watchers, metaServer } = this.#args;
    const { note } = this.#latencies;
    const onGranted = (key) => this.#granted.came(key);
    this.#brokers = Array.from(
      { length: brokers },
      (_, nth) => new SimulatedBroker({ metaServer, nth, onAnswer: note, onGranted }),
    );
    await Promise.all(this.#brokers.map((broker) => broker.start()));
    const made = await this.#make();
    this.#watchers = Array.from({ length: watchers }, () => new Watcher(metaServer));
    await sleep(this.#args.settleMs);
    const steady = await this.#steady();
    const death = await this.#lose((broker) => broker.die());
    const silence = await this.#lose((broker) => broker.stall());
    [...this.#watchers, ...this.#brokers].forEach((one) => one.close());
    return { made, steady, death, silence };
  }

  /** Makes the topics, so many at once. */
  async #make() {
    const { metaServer, topics, partitions } = this.#args;
    const client = new contracts.AdminServiceClient(metaServer, grpc.credentials.createInsecure());
    const call = (method, request) =>
      new Promise((resolve, reject) => {
        const options = { deadline: Date.now() + ADMIN_DEADLINE_MS };
        client[method](request, new grpc.Metadata(), options, (error) => (error ? reject(error) : resolve()));
      });
    const storageClass = contracts.StorageClass.MYSQL;
    // No broker here opens it.
    const reached = { endpoints: ['127.0.0.1:1'], database: 'none', username: 'none', secret: 'env:NONE' };
    await call('createDataSource', {
      dataSource: contracts.DataSource.fromPartial({ name: DATA_SOURCE, storageClass, ...reached }),
    });
    this.#latencies.take();
    const startedAt = performance.now();
    let next = 0;
    const maker = async () => {
      for (let nth = next++; nth < topics; nth = next++) {
        await call('createTopic', {
          topic: contracts.Topic.fromPartial({ name: `topic-${nth}`, partitions, storageClass }),
        });
      }
    };
    await Promise.all(Array.from({ length: CREATES_IN_FLIGHT }, maker));
    client.close();
    return { seconds: (performance.now() - startedAt) / 1000, heartbeats: this.#latencies.take() };
  }

  /** Nothing but heartbeats. */
  async #steady() {
    const { pid, measureMs } = this.#args;
    this.#latencies.take();
    const [startedAt, before] = [performance.now(), cpuSeconds(pid)];
    await sleep(measureMs);
    const cores = (cpuSeconds(pid) - before) / ((performance.now() - startedAt) / 1000);
    return { cores, residentMiB: residentMiB(pid), heartbeats: this.#latencies.take() };
  }

  /** From a broker's end, which `end` brings about, until all that it owned is granted elsewhere, and the watchers know. */
  async #lose(end) {
    const broker = this.#brokers.shift();
    const lost = [...broker.held.keys()];
    const before = cpuSeconds(this.#args.pid);
    this.#latencies.take();
    const told = this.#watchers.map(({ moved }) => moved.all(lost));
    const granted = this.#granted.all(lost);
    const endedAt = await end(broker);
    const seconds = (at) => (at - endedAt) / 1000;
    const result = {
      partitions: lost.length,
      grantedAfter: seconds(await granted),
      toldAfter: seconds(Math.max(...(await Promise.all(told)))),
      cpuSeconds: cpuSeconds(this.#args.pid) - before,
      heartbeats: this.#latencies.take(),
    };
    broker.close();
    return result;
  }
}

/** Latencies in ms; `cores` is the meta-server's share of the machine's. */
export const run = (args) => new Rehearsal(args).run();
