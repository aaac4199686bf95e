import { Cluster } from './harness/cluster.js';
import { PlainProject } from './harness/plain-project.js';

describe('the published packages, in a project of their own', () => {
  it('are required and imported, publish and consume', async () => {
    await using cluster = await Cluster.start({ brokers: 1 });
    using project = await PlainProject.create();
    expect(await project.run('publish.cjs', cluster.gatewayEndpoint)).toEqual({
      published: 'plain',
      functions: ['function', 'function', 'function', 'function'],
    });
    expect(await project.run('consume.mjs', cluster.gatewayEndpoint)).toEqual({
      consumed: { from: 'CommonJS' },
      types: ['function', 'object', 'object'],
    });
  });
});
