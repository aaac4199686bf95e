import { fromServiceError, HermesError } from '@hermes/contracts';

/**
 * Does `step` for one partition after the other. If one fails, the error names those before it, where it is done and
 * stays done.
 */
export async function partitionByPartition<T>(
  partitions: readonly number[],
  step: (partition: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  for (const [nth, partition] of partitions.entries()) {
    try {
      results.push(await step(partition));
    } catch (thrown) {
      throw nth === 0 ? thrown : afterSome(fromServiceError(thrown), partition, partitions.slice(0, nth));
    }
  }
  return results;
}

function afterSome(error: HermesError, failed: number, done: readonly number[]): HermesError {
  const { code, status, violations, retryAfterMs, details } = error;
  return new HermesError(code, `partition ${failed}: ${error.message}; done: partitions ${done.join(', ')}`, {
    ...{ status, violations, cause: error },
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    details: { ...details, partitions_done: done.join(',') },
  });
}
