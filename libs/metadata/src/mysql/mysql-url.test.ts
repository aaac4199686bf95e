import { parseMysqlUrl } from './mysql-url.js';

describe('the URL of a MySQL database', () => {
  test('has defaults: port 3306, and verified TLS for any host but this one', () => {
    expect(parseMysqlUrl('mysql://u@db.example/hermes')).toEqual({
      ...{ host: 'db.example', port: 3306, database: 'hermes', user: 'u', tls: 'verify' },
    });
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
      expect(parseMysqlUrl(`mysql://u@${host}:1/d`)).toMatchObject({ port: 1, tls: 'off' });
    }
  });

  test('names certificates', () => {
    expect(parseMysqlUrl('mysql://u@h/d?tls=encrypt&ca=/a.pem&cert=/c.pem&key=/k.pem')).toMatchObject({
      ...{ tls: 'encrypt', caFile: '/a.pem', certFile: '/c.pem', keyFile: '/k.pem' },
    });
  });

  test.each([
    'mysql://u:hunter2@h/d',
    'mysql://u@h/d?password=hunter2',
    'mysql://u@h/d?pasword=hunter2',
    'mysql://u@h/d?tls=hunter2',
    'mysql://u@h/d?tls=off&ca=/hunter2',
    'mysql://u@h/d?cert=/hunter2',
    'mysql://hunter2@10.0.0.7/d',
    'mysql://hunter2@127.0.0.1/d?tls=verify',
    'mysql://h/hunter2',
    'mysql://u@h/',
    'mysql://u@h/a/hunter2',
    'mysql://',
  ])('%s is refused, and not repeated', (url) => {
    const failure: unknown = expect.objectContaining({
      ...{ code: 'URL_INVALID', exitCode: 78, message: expect.not.stringContaining('hunter2') as unknown },
    });
    expect(() => parseMysqlUrl(url)).toThrow(failure as Error);
  });
});
