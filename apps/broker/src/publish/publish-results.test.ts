import { Durability, HermesError, PublishResponse, statusToError } from '@hermes/contracts';
import fc from 'fast-check';
import { PublishResults } from './publish-results.js';

test('the bytes are what the generated code would write', () => {
  const result = fc.oneof(
    fc.record({
      prefix: fc.constantFrom('t/0/0/', `${'x'.repeat(200)}/1023/9/`),
      offset: fc.maxSafeNat(),
      durability: fc.constantFrom(Durability.DURABLE, Durability.REPLICATED, Durability.BUFFERED),
    }),
    fc.constant('failed' as const),
  );
  fc.assert(
    fc.property(fc.array(result, { minLength: 1, maxLength: 30 }), (wanted) => {
      const results = new PublishResults(wanted.length);
      wanted.forEach((each, index) => {
        if (each === 'failed') {
          results.failed(index, new HermesError('NOT_OWNER', `entry ${index}`));
        } else {
          const { prefix, durability, offset } = each;
          results.stored(index, { idPrefix: Buffer.from(prefix), durability }, offset);
        }
      });
      const decoded = PublishResponse.decode(results.encode());
      expect(decoded.results).toHaveLength(wanted.length);
      decoded.results.forEach(({ outcome, durability, duplicate }, index) => {
        const each = wanted[index]!;
        expect(duplicate).toBe(false);
        if (each === 'failed') {
          expect(outcome?.$case === 'error' && statusToError(outcome.value).message).toBe(`entry ${index}`);
        } else {
          expect(outcome).toEqual({ $case: 'messageId', value: `${each.prefix}${each.offset}` });
          expect(durability).toBe(each.durability);
        }
      });
    }),
  );
});
