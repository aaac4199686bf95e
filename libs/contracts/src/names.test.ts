import { checkGroupName, checkName, checkTopicName, isResourceName } from './names.js';

describe('names', () => {
  it.each(['a', '0', 'orders.eu-1_x', 'a'.repeat(200)])('accept %p as a topic', (name) => {
    expect(checkTopicName(name)).toBeUndefined();
    expect(isResourceName(name)).toBe(true);
  });

  it.each(['', '.a', '_a', '-a', 'a/b', 'a b', 'ä', '`a`; DROP TABLE x; --', 'a\n', 'a'.repeat(201)])(
    'refuse %p as a topic',
    (name) => {
      const error = checkTopicName(name);
      expect(error?.code).toBe('INVALID_FIELD');
      expect(error?.violations[0]?.field).toBe('topic');
    },
  );

  it('allow other names 128 bytes', () => {
    expect(checkName('c'.repeat(128), 'consumer')).toBeUndefined();
    expect(checkName('c'.repeat(129), 'consumer')?.violations[0]?.field).toBe('consumer');
  });

  it('name the field of a group that they refuse', () => {
    expect(checkGroupName('', 'group.name')?.message).toContain('group.name');
  });
});
