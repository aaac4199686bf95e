import { createMetrics } from '../metrics.js';
import { startOpsServer } from './ops-server.js';

describe('the ops server', () => {
  it('tells that it lives, whether it is ready, and its metrics', async () => {
    const metrics = createMetrics('meta-server');
    metrics.counter('publish_messages', { help: 'Published.', labels: ['outcome'] }).add(3, { outcome: 'ok' });
    let backlog = 7;
    metrics.gauge('queue_messages', { help: 'Waiting.', read: () => backlog });
    metrics.histogram('settle_seconds', { help: 'Settling.', buckets: [1] }).observe(0.5);
    let ready = false;
    const ops = await startOpsServer({ host: '127.0.0.1', port: 0, metrics, ready: () => ready });
    const get = (path: string, method = 'GET'): Promise<Response> =>
      fetch(`http://127.0.0.1:${ops.port}${path}`, { method });

    expect((await get('/livez')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(503);
    ready = true;
    backlog = 8;
    expect((await get('/readyz')).status).toBe(200);
    const scrape = await get('/metrics');
    expect(scrape.headers.get('content-type')).toContain('text/plain');
    const text = await scrape.text();
    expect(text).toContain('hermes_meta_server_publish_messages_total{outcome="ok"} 3');
    expect(text).toContain('hermes_meta_server_queue_messages 8');
    expect(text).toContain('hermes_meta_server_settle_seconds_bucket{le="1"} 1');
    expect((await get('/elsewhere')).status).toBe(404);
    expect((await get('/livez', 'POST')).status).toBe(405);
    await ops.close();
  });

  it('names the address that is taken, with exit code 69', async () => {
    const options = { host: '127.0.0.1', metrics: createMetrics('a'), ready: () => true };
    const first = await startOpsServer({ ...options, port: 0 });
    await expect(startOpsServer({ ...options, port: first.port })).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining(`127.0.0.1:${first.port} is in use`) as string,
    });
    await first.close();
  });
});
