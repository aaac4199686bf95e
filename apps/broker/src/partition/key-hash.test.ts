import { LIMITS, Message } from '@hermes/contracts';

import { keyHashOfRecord, NO_KEY_HASH } from './key-hash.js';

const record = (message: Partial<Message>): Uint8Array => Message.encode(Message.create(message)).finish();

describe('keyHashOfRecord', () => {
  it('orders messages that are beyond what can be published like those that are not', () => {
    const attributes = new Map([['hermes-tombstone', 'true']]);
    expect(keyHashOfRecord(record({ key: 'k', attributes }))).toBe(keyHashOfRecord(record({ key: 'k' })));
    const [long, other] = ['x', 'y'].map((letter) =>
      keyHashOfRecord(record({ key: letter.repeat(LIMITS.keyBytes + 1) })),
    );
    expect(long).not.toBe(NO_KEY_HASH);
    expect(long).not.toBe(other);
    expect(keyHashOfRecord(record({ attributes }))).toBe(NO_KEY_HASH);
  });
});
