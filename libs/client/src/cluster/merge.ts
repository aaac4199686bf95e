import { createDeferred, type Deferred } from '@hermes/runtime';

type Arrival<T> =
  | { readonly from: AsyncIterator<T>; readonly result: IteratorResult<T> }
  | { readonly from: AsyncIterator<T>; readonly error: unknown };

/**
 * Gives what several iterators give, whatever comes first, with one result of each waiting at most. Ends with the last
 * of them; throws what any of them throws. They are not ended when the
 * merge is left: that is up to whoever made them.
 */
export async function* merge<T>(iterators: readonly AsyncIterator<T>[]): AsyncGenerator<T> {
  const arrivals: Arrival<T>[] = [];
  let arrived: Deferred<void> = createDeferred();
  const arrive = (arrival: Arrival<T>): void => {
    arrivals.push(arrival);
    arrived.resolve();
  };
  // One reaction per result: a race over all of them would leave one at each quiet iterator with every round.
  const advance = (from: AsyncIterator<T>): void => {
    from.next().then(
      (result) => {
        arrive({ from, result });
      },
      (error: unknown) => {
        arrive({ from, error });
      },
    );
  };
  iterators.forEach(advance);
  for (let open = iterators.length; open > 0;) {
    const next = arrivals.shift();
    if (next === undefined) {
      arrived = createDeferred();
      await arrived.promise;
    } else if ('error' in next) {
      throw next.error;
    } else if (next.result.done === true) {
      open -= 1;
    } else {
      advance(next.from);
      yield next.result.value;
    }
  }
}
