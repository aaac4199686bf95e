import { AdminServiceService, type HermesError } from '@hermes/contracts';
import { FakeMeta } from '../../test/fake-meta.js';
import { Channels } from './channels.js';
import { wasNeverSent } from './failure.js';

describe('Channels', () => {
  it('connect at once to a server that is back, however often it was called meanwhile', async () => {
    const meta = new FakeMeta();
    await meta.listen();
    const { endpoint, port } = meta;
    meta.kill();
    const channels = new Channels({ id: 'test', version: '0' });
    const ask = (): Promise<unknown> =>
      channels.unary(endpoint, AdminServiceService.getTopic, { topic: 'orders' }, { deadlineAtMs: Infinity });
    for (let tries = 0; tries < 5; tries += 1) {
      expect(await ask().catch((error: unknown) => wasNeverSent(error as HermesError))).toBe(true);
    }
    expect(channels.size).toBe(0);
    const back = new FakeMeta();
    await back.listen(port);
    back.route('orders', [endpoint]);
    await expect(ask()).resolves.toBeDefined();
    channels.close();
    back.kill();
  });
});
