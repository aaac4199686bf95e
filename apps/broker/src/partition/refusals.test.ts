import { type Catalog } from '../catalog/catalog.js';
import { PartitionSlots } from './partition-slots.js';
import { Refusals } from './refusals.js';

/** Of a broker that serves nothing. */
function refusals(routes: Catalog['routes'], hasMeta: boolean): Refusals {
  const catalog: Pick<Catalog, 'routes'> = { routes };
  return new Refusals({
    ...{ slots: new PartitionSlots(), catalog, endpoint: () => 'here:1', hasMeta: () => hasMeta },
  });
}

const OWNED_ELSEWHERE = { partitionCount: 1, routes: new Map([[0, { endpoint: 'there:1', epoch: 7 }]]) };

describe('Refusals', () => {
  it('name the owner, as far as a meta-server tells it', async () => {
    const told = refusals(() => Promise.resolve(OWNED_ELSEWHERE), true);
    expect(await told.explain('orders', 0)).toMatchObject({
      ...{ code: 'NOT_OWNER', details: { endpoint: 'there:1', epoch: '7' } },
    });
    const failed = refusals(() => Promise.reject(new Error('nobody answers')), true);
    expect(await failed.explain('orders', 0)).toMatchObject({ code: 'NOT_OWNER', details: {} });
  });

  it('ask nobody who does not answer: the caller does not wait for that', async () => {
    const cutOff = refusals(() => new Promise(() => undefined), false);
    expect(await cutOff.explain('orders', 0)).toMatchObject({ code: 'PARTITION_MOVING' });
  });
});
