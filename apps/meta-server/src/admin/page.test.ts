import { cutPage, readPage } from './page.js';

/** An error with these fields. */
const failure = (fields: object): Error => expect.objectContaining(fields) as Error;

const names = ['a', 'b', 'c'];
const cut = (limit: number): ReturnType<typeof cutPage<string>> =>
  cutPage('topics', names, { after: '', limit }, (name) => name);

describe('pages', () => {
  test('a token leads to the next page, and the last page has none', () => {
    const { entries, nextPageToken } = cut(2);
    expect(entries).toEqual(['a', 'b']);
    expect(nextPageToken).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(readPage('topics', { pageToken: nextPageToken })).toEqual({ after: 'b', limit: 100 });
    expect(cut(3).nextPageToken).toBe('');
  });

  test('a token of another list, a damaged and an invented one are INVALID_FIELD', () => {
    const { nextPageToken } = cut(2);
    const letters = nextPageToken.split('');
    const damaged = letters.map((letter, index) => letters.with(index, letter === 'A' ? 'B' : 'A').join(''));
    for (const pageToken of ['x', '!!', 'AAAAAAAAAAAAAAAA', `${nextPageToken}=`, ...damaged]) {
      expect(() => readPage('topics', { pageToken })).toThrow(failure({ code: 'INVALID_FIELD' }));
    }
    expect(() => readPage('groups:x', { pageToken: nextPageToken })).toThrow(failure({ code: 'INVALID_FIELD' }));
  });

  test.each([-1, 0, 1_001])('a page size of %d is INVALID_FIELD', (pageSize) => {
    expect(() => readPage('topics', { pageSize, pageToken: '' })).toThrow(failure({ code: 'INVALID_FIELD' }));
  });
});
