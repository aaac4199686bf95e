import { Message } from '@hermes/contracts';
import { sharedKafka, SHARED_SERVER_DEADLINE_MS } from '@hermes/testing';

import { AttachedFixture, batch, EVERYTHING, laneOf } from './attached-fixture.js';

jest.setTimeout(30_000);

beforeAll(() => sharedKafka(), SHARED_SERVER_DEADLINE_MS);

let fixture: AttachedFixture;
beforeEach(async () => {
  fixture = await AttachedFixture.make();
});
afterEach(() => fixture.dispose());

describe('messages of ours in an attached topic', () => {
  const published: Partial<Message> = {
    ...{ key: 'k', body: Buffer.from('body'), contentType: 'text/plain' },
    attributes: new Map([['trace', 'abc']]),
  };

  it('are records as any client reads them, and come back as they were published', async () => {
    await fixture.create();
    const log = laneOf(await fixture.attached());
    const outcome = await log.append(batch([published]));
    expect(outcome).toMatchObject({ kind: 'appended' });
    expect(await fixture.consume(1)).toEqual([
      {
        ...{ key: 'k', value: 'body' },
        headers: { trace: 'abc', 'hermes-content-type': 'text/plain', 'hermes-expires-at': '5000000000000' },
      },
    ]);
    await log.findEnd?.();
    const block = await log.read(0, EVERYTHING);
    expect(Message.decode(Uint8Array.from(block.record(0)))).toEqual(Message.create(published));
    expect(block.columns.expiresAtMs[0]).toBe(5_000_000_000_000);
  });

  it('are known by their schedules, unless these were another topic’s', async () => {
    await fixture.create();
    const store = await fixture.attached();
    await laneOf(store).append(batch([published], 5));
    await fixture.produce([{ value: 'copied', headers: { 'hermes-schedule': '0123456789abcdef/6' } }]);
    await laneOf(store).findEnd?.();
    expect(await store.schedule.promotedFrom(0, 0)).toEqual([5]);
    expect(store.schedule.marks).toEqual([0]);
  });

  it('may be as large as the Kafka topic allows', async () => {
    await fixture.create({ 'max.message.bytes': '10000' });
    const log = laneOf(await fixture.attached());
    expect(log.fits(1, 10_000)).toBe(false);
    expect(log.fits(1, 9_000)).toBe(true);
    const body = Buffer.alloc(9_000 - 20, 'x');
    expect((await log.append(batch([{ ...published, body: body.subarray(100) }], 5))).kind).toBe('appended');
  });

  it('are refused where it is attached for reading only', async () => {
    await fixture.create();
    const log = laneOf(await fixture.attached({ readOnly: true }));
    expect(await log.append(batch([published]))).toMatchObject({ kind: 'refused', error: { kind: 'unsupported' } });
    expect(await fixture.admin((admin) => admin.fetchTopicOffsets(fixture.topic))).toMatchObject([{ high: '0' }]);
  });
});
