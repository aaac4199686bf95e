// A broker that stores nothing.
import { createServer } from 'node:net';

import contracts from '@hermes/contracts';
import grpc from '@grpc/grpc-js';

const TTL_MS = 10_000;
const HEARTBEAT_MS = Math.floor(TTL_MS / 3);

const keyOf = ({ topic, partition }) => `${topic}/${partition}`;

/** Speaks the lease protocol as a broker does, and says of what it is granted that it serves it, at once. */
export class SimulatedBroker {
  /** Its assignments by topic and partition. */
  held = new Map();
  #options;
  #listener = createServer((socket) => socket.destroy());
  #client;
  #stream;
  #timer;
  #sequence = 0;
  #sentAt = 0;

  /** `onAnswer` is told how long each heartbeat took, in ms; `onGranted` each partition that is new here. */
  constructor(options) {
    this.#options = options;
  }

  /** Registers; resolves with the first answer. */
  async start() {
    const { metaServer, nth } = this.#options;
    await new Promise((resolve) => this.#listener.listen(0, '127.0.0.1', resolve));
    const channel = { 'grpc.use_local_subchannel_pool': 1, 'grpc.keepalive_time_ms': HEARTBEAT_MS };
    this.#client = new contracts.CoordinationServiceClient(metaServer, grpc.credentials.createInsecure(), channel);
    this.#stream = this.#client.holdBrokerLease();
    this.#stream.on('error', () => undefined);
    const identity = {
      ...{ broker: `broker-${nth}`, incarnation: nth + 1, host: `host-${nth}` },
      endpoint: `127.0.0.1:${this.#listener.address().port}`,
    };
    this.#send('register', contracts.HoldBrokerLeaseRequest_Register.fromPartial(identity));
    this.#beat();
    await new Promise((resolve, reject) => {
      this.#stream.once('error', reject);
      this.#stream.on('data', ({ kind }) => {
        if (kind.$case === 'revoke') {
          this.#revoked(kind.value.assignment);
        } else {
          this.#granted(kind.value);
          resolve();
        }
      });
    });
  }

  /** Ends as a killed process does: its connection closes, and its address refuses. Gives the time. */
  async die() {
    await new Promise((resolve) => this.#listener.close(resolve));
    const endedAt = performance.now();
    this.close();
    return endedAt;
  }

  /** Sends no more heartbeats, as a process that stands still. Gives the time of the last one. */
  stall() {
    clearTimeout(this.#timer);
    return this.#sentAt;
  }

  close() {
    clearTimeout(this.#timer);
    this.#listener.close();
    this.#stream.cancel();
    this.#client.close();
  }

  #beat() {
    this.#sequence += 1;
    this.#sentAt = performance.now();
    this.#send('heartbeat', { sequence: this.#sequence, dataSources: [] });
  }

  #granted({ sequence, changed, assignments }) {
    if (sequence !== 0) {
      this.#options.onAnswer(performance.now() - this.#sentAt);
      this.#timer = setTimeout(() => this.#beat(), HEARTBEAT_MS);
    }
    if (changed) {
      this.#replace(assignments);
    }
  }

  /** What is new, or has a new revision, is ready. */
  #replace(assignments) {
    const before = this.held;
    this.held = new Map(assignments.map((assignment) => [keyOf(assignment), assignment]));
    const readied = [];
    for (const [key, assignment] of this.held) {
      const known = before.get(key);
      if (known?.epoch !== assignment.epoch) {
        this.#options.onGranted(key);
      }
      if (known?.epoch !== assignment.epoch || known.revision !== assignment.revision) {
        readied.push(assignment);
      }
    }
    if (readied.length > 0) {
      this.#send('ready', { assignments: readied });
    }
  }

  #revoked(assignment) {
    if (this.held.get(keyOf(assignment))?.epoch === assignment.epoch) {
      this.held.delete(keyOf(assignment));
      this.#send('released', assignment);
    }
  }

  #send($case, value) {
    this.#stream.write({ kind: { $case, value } });
  }
}
