import { atIndex, HermesError, invalidField, notImplemented } from './hermes-error.js';
import { isReason, REASON_RULES } from './reason.js';

describe('HermesError', () => {
  it.each([
    ['BACKPRESSURE', true],
    ['NOT_OWNER', true],
    ['OUTCOME_UNKNOWN', true],
    ['FENCED', false],
    ['ETAG_MISMATCH', false],
    ['INVALID_FIELD', false],
  ] as const)('%s is retryable: %p', (code, retryable) => {
    expect(new HermesError(code, 'x').retryable).toBe(retryable);
  });

  it('keeps its cause and its defaults', () => {
    const cause = new Error('inner');
    expect(new HermesError('BUG', 'x', { cause }).cause).toBe(cause);
    expect(new HermesError('BUG', 'x')).toMatchObject({ details: {}, violations: [], retryAfterMs: undefined });
  });

  it('names what is not implemented', () => {
    expect(notImplemented('Seek')).toMatchObject({ code: 'NOT_IMPLEMENTED', details: { name: 'Seek' } });
    expect(notImplemented('Seek').message).toContain('Seek');
  });
});

describe('isReason', () => {
  it('knows the reasons of the contract and nothing that objects inherit', () => {
    expect(Object.keys(REASON_RULES)).toHaveLength(39);
    expect(isReason('DRAINING')).toBe(true);
    expect(isReason('toString')).toBe(false);
  });
});

describe('atIndex', () => {
  it('names an entry by its place in another request, wherever it is named', () => {
    const error = atIndex(invalidField('messages[0].key', 'at most 255 bytes'), 7);
    expect(error).toMatchObject({
      message: 'messages[7].key: at most 255 bytes',
      violations: [{ field: 'messages[7].key', description: 'at most 255 bytes' }],
    });
    expect(atIndex(notImplemented('entries[3].outcome DEAD_LETTER'), 0).details).toEqual({
      name: 'entries[0].outcome DEAD_LETTER',
    });
  });

  it('leaves every other error as it is', () => {
    const error = new HermesError('NOT_OWNER', 'orders/3 is elsewhere', { details: { endpoint: 'b:1' } });
    expect(atIndex(error, 7)).toBe(error);
  });
});
