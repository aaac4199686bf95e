import fc from 'fast-check';
import { formatMessageId, parseMessageId } from './message-id.js';

describe('message ids', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.nat(1023), fc.nat(9), fc.maxSafeNat(), (partition, lane, offset) => {
        const text = formatMessageId('orders', partition, lane, offset);
        expect(parseMessageId(text)).toEqual({ topic: 'orders', partition, lane, offset });
      }),
    );
  });

  it.each([
    '',
    'orders/3/0',
    'orders/3/0/1042/1',
    'orders/03/0/1',
    'orders/3/0/-1',
    'orders/3/0/1.5',
    'orders/1024/0/1',
    'orders/3/10/1',
    '.orders/3/0/1',
    'orders/3/0/9007199254740992',
  ])('refuse %p', (text) => {
    expect(parseMessageId(text)).toBeUndefined();
  });
});
