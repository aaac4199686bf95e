import { checkEnum, isKnownEnum } from './enum-value.js';
import { GroupMode } from './messaging.js';

describe('enum values', () => {
  it('of this version are known, UNSPECIFIED included', () => {
    expect(isKnownEnum(GroupMode, GroupMode.SHARED)).toBe(true);
    expect(checkEnum('mode', GroupMode, GroupMode.UNSPECIFIED)).toBeUndefined();
  });

  it.each([-1, 4, 2 ** 31 - 1])('of another version (%p) are INVALID_FIELD', (value) => {
    expect(checkEnum('mode', GroupMode, value)).toMatchObject({ code: 'INVALID_FIELD' });
  });
});
