import { createDeferred, type Deferred } from '@hermes/runtime';
import { merge } from './merge.js';

async function* given(...values: readonly (number | Promise<number>)[]): AsyncGenerator<number> {
  for (const value of values) {
    yield await value;
  }
}

async function all(merged: AsyncIterable<number>): Promise<number[]> {
  const values: number[] = [];
  for await (const value of merged) {
    values.push(value);
  }
  return values;
}

describe('merge', () => {
  it('gives everything, each iterator in its order', async () => {
    const values = await all(merge([given(1, 2, 3), given(10, 20), given()]));
    expect(values.filter((value) => value < 10)).toEqual([1, 2, 3]);
    expect(values.filter((value) => value >= 10)).toEqual([10, 20]);
  });

  it('does not wait for the quiet ones', async () => {
    const late: Deferred<number> = createDeferred();
    const merged = merge([given(late.promise), given(1, 2)]);
    expect((await merged.next()).value).toBe(1);
    expect((await merged.next()).value).toBe(2);
    late.resolve(3);
    expect(await all(merged)).toEqual([3]);
  });

  it('throws what one of them throws', async () => {
    const merged = merge([given(1), given(Promise.reject(new Error('broken')))]);
    await expect(all(merged)).rejects.toThrow('broken');
  });

  it('ends at once without iterators', async () => {
    expect(await all(merge([]))).toEqual([]);
  });
});
