import { type sendUnaryData } from '@grpc/grpc-js';
import { AdminServiceService, HermesError, Topic } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { connect, type Hermes, type Producer, stringCodec } from '../src/index.js';
import { FakeBroker } from './fake-broker.js';
import { fail, type FakeServer } from './fake-server.js';
import { FakeMeta } from './fake-meta.js';

let hermes: Hermes;
let servers: FakeServer[];

async function listening<S extends FakeServer>(server: S): Promise<S> {
  servers.push(server);
  await server.listen();
  return server;
}

beforeEach(() => {
  servers = [];
});
afterEach(async () => {
  await hermes.close({ deadlineMs: 0 });
  servers.forEach((server) => {
    server.kill();
  });
});

const sequences = ({ numbers }: FakeBroker): (number | undefined)[] => numbers.map((number) => number?.sequence);
const producersOf = ({ numbers }: FakeBroker): number => new Set(numbers.map((number) => number?.producerId)).size;
const codeOf = (error: unknown): string => (error instanceof HermesError ? error.code : String(error));

describe('the numbers of a producer', () => {
  let broker: FakeBroker;
  let producer: Producer<string>;

  beforeEach(async () => {
    const meta = await listening(new FakeMeta());
    broker = await listening(new FakeBroker());
    meta.route('orders', [broker.endpoint]);
    hermes = await connect({ metaServers: [meta.endpoint], timeoutMs: 8_000 });
    producer = hermes.producer('orders', { codec: stringCodec });
  });

  const all = (texts: readonly string[]) => Promise.all(texts.map((text) => producer.publish(text)));

  it('count up from 1 in the order of the calls; what has a key of its own needs none', async () => {
    await all(['a', 'b']);
    await Promise.all([producer.publish('c'), producer.publish('d', { idempotencyKey: 'k' }), producer.publish('e')]);
    expect(sequences(broker)).toEqual([1, 2, 3, undefined, 4]);
    expect(broker.stored.map(({ body }) => body)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('make a message whose answer was lost be stored once, in its place', async () => {
    let frames = 0;
    broker.answer = () => ({ kind: (frames += 1) === 2 ? 'lose' : 'store' });
    await producer.publish('a');
    const [b, c] = await all(['b', 'c']);
    await producer.publish('d');
    expect([b?.duplicate, c?.duplicate]).toEqual([true, true]);
    expect(broker.stored.map(({ body }) => body)).toEqual(['a', 'b', 'c', 'd']);
    expect(sequences(broker)).toEqual([1, 2, 3, 2, 3, 4]);
  });

  it('begin anew where the producer is not known any more, in the same order', async () => {
    await producer.publish('a');
    broker.answer = ({ firstSequence, messages }) =>
      firstSequence === 2 && messages.length === 1
        ? { kind: 'fail', at: 0, code: 'OUT_OF_SEQUENCE' }
        : { kind: 'store' };
    await producer.publish('b');
    await all(['c', 'd']);
    expect(broker.stored.map(({ body }) => body)).toEqual(['a', 'b', 'c', 'd']);
    expect(sequences(broker)).toEqual([1, 1, 2, 3]);
    expect(producersOf(broker)).toBe(2);
  });

  it('of a message in doubt stay what they are: forgotten, its outcome is unknown', async () => {
    await producer.publish('a');
    broker.answer = () => {
      broker.answer = ({ firstSequence }) =>
        firstSequence === 2 ? { kind: 'fail', at: 0, code: 'OUT_OF_SEQUENCE' } : { kind: 'store' };
      return { kind: 'lose' };
    };
    expect(await producer.publish('b').catch(codeOf)).toBe('OUTCOME_UNKNOWN');
    broker.answer = () => ({ kind: 'store' });
    await producer.publish('c');
    expect(broker.stored.map(({ body }) => body)).toEqual(['a', 'b', 'c']);
  });

  it('are given to 1,000 messages without an outcome at most', async () => {
    let came = 0;
    broker.answer = ({ messages }) => {
      came += messages.length;
      return { kind: 'silence' };
    };
    const texts = Array.from({ length: 2_500 }, (_, nth) => `${nth}`);
    const published = all(texts);
    await eventually(() => {
      expect(came).toBe(1_000);
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(came).toBe(1_000);
    let unresolved = 0;
    broker.answer = ({ firstSequence = 0, messages }) => {
      unresolved = Math.max(unresolved, firstSequence + messages.length - broker.stored.length);
      return { kind: 'store' };
    };
    broker.breakPublishing();
    await published;
    expect(broker.stored.map(({ body }) => body)).toEqual(texts);
    expect(unresolved).toBeLessThanOrEqual(1_001);
  });
});

describe('through a gateway', () => {
  /** Splits nothing: what it gets is stored. Tells how many partitions there are, if it is asked. */
  class FakeGateway extends FakeBroker {
    partitions: number | undefined = 3;
    asked = 0;

    constructor() {
      super();
      this.server.addService(
        { getTopic: AdminServiceService.getTopic },
        {
          getTopic: (_: unknown, callback: sendUnaryData<unknown>) => {
            this.asked += 1;
            const { partitions } = this;
            callback(partitions === undefined ? fail('NO_LEADER') : null, { topic: Topic.fromPartial({ partitions }) });
          },
        },
      );
    }
  }

  let gateway: FakeGateway;
  let producer: Producer<string>;
  beforeEach(async () => {
    gateway = await listening(new FakeGateway());
    hermes = await connect({ gateway: gateway.endpoint, timeoutMs: 8_000 });
    producer = hermes.producer('orders', { codec: stringCodec });
  });

  it('a producer asks once how many partitions there are, and numbers what goes to each', async () => {
    await Promise.all(Array.from({ length: 120 }, (_, nth) => producer.publish(`${nth}`)));
    await producer.publish('last', { key: 'k' });
    expect(gateway.asked).toBe(1);
    expect(new Set(gateway.stored.map(({ partition }) => partition)).size).toBe(3);
    expect(producersOf(gateway)).toBe(3);
    expect(sequences(gateway)).not.toContain(undefined);
  });

  it('what was lost on its way back is stored once', async () => {
    let frames = 0;
    gateway.answer = () => ({ kind: (frames += 1) === 1 ? 'lose' : 'store' });
    expect(await producer.publish('a', { key: 'k' })).toMatchObject({ duplicate: true });
    expect(gateway.stored).toHaveLength(1);
  });

  it('a topic that was made again with fewer partitions takes messages at once', async () => {
    await producer.publish('a');
    gateway.partitions = 1;
    gateway.answer = ({ partition = 0 }) =>
      partition === 0 ? { kind: 'store' } : { kind: 'refuse', code: 'INVALID_FIELD', field: 'partition' };
    await Promise.all(Array.from({ length: 60 }, (_, nth) => producer.publish(`${nth}`)));
    expect(gateway.asked).toBeGreaterThan(1);
    expect(gateway.stored).toHaveLength(61);
  });

  it('messages go without a number, and are never repeated in doubt, while nobody can tell the partitions', async () => {
    gateway.partitions = undefined;
    await producer.publish('a');
    gateway.answer = () => ({ kind: 'lose' });
    expect(await producer.publish('b').catch(codeOf)).toBe('OUTCOME_UNKNOWN');
    expect(sequences(gateway)).toEqual([undefined, undefined]);
    gateway.answer = () => ({ kind: 'store' });
    gateway.partitions = 3;
    await eventually(async () => {
      await producer.publish('c');
      expect(sequences(gateway).at(-1)).toBe(1);
    });
  });
});
