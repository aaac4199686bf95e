import { type RetryPolicy } from './admin.js';
import { parseRetryPolicy } from './retry-notation.js';

const seconds = (count: number) => ({ seconds: count, nanos: 0 });

test.each<[string, RetryPolicy]>([
  ['1:[3,60]', { kind: { $case: 'list', value: { delays: [seconds(3), seconds(60)] } } }],
  [' 1 : [ 3 , 60 ] ', { kind: { $case: 'list', value: { delays: [seconds(3), seconds(60)] } } }],
  ['2:[]', { kind: { $case: 'none', value: {} } }],
  ['3:[5,1000]', { kind: { $case: 'fixed', value: { delay: seconds(1) } }, maxAttempts: 6 }],
])('%s is read', (notation, policy) => {
  expect(parseRetryPolicy(notation)).toEqual(policy);
});

test.each([
  ['', 'must look like 1:[3,60], 2:[] or 3:[5,1000]'],
  ['[3,60]', 'must look like 1:[3,60], 2:[] or 3:[5,1000]'],
  ['4:[1]', 'has kinds 1 (list of seconds), 2 (none) and 3 (count and milliseconds), not 4'],
  ['1:[]', '1:[…] has 1 to 99 waits in seconds; 2:[] never tries again'],
  ['1:[3,x]', 'has whole numbers within its brackets, not "x"'],
  ['1:[0]', 'waits 1 ms to 43200000 ms, not 0 ms'],
  ['2:[1]', '2:[] has nothing within its brackets'],
  ['3:[5]', '3:[n,ms] has two numbers, how often and the wait in milliseconds'],
  ['3:[100,1]', '3:[n,ms] tries again 1 to 99 times'],
  ['3:[-1,1]', 'has whole numbers within its brackets, not "-1"'],
])('%j is refused: %s', (notation, description) => {
  expect(() => parseRetryPolicy(notation)).toThrow(
    expect.objectContaining({ code: 'INVALID_FIELD', violations: [{ field: 'retry', description }] }) as Error,
  );
});
