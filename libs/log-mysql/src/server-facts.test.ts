import { readFacts } from './server-facts.js';

const DURABLE = {
  version: '9.1.0',
  innodb_flush_log_at_trx_commit: '1',
  log_bin: 'ON',
  sync_binlog: '1',
  binlog_format: 'ROW',
};
const SEMI_SYNC = {
  ...DURABLE,
  rpl_semi_sync_source_enabled: 'ON',
  rpl_semi_sync_source_wait_point: 'AFTER_SYNC',
  rpl_semi_sync_source_timeout: '4294967295',
};

function facts(variables: Readonly<Record<string, string>>, semiSyncActive = false): ReturnType<typeof readFacts> {
  return readFacts(new Map(Object.entries(variables)), semiSyncActive);
}

describe('server facts', () => {
  it.each([
    ['durable', DURABLE],
    ['durable', { ...DURABLE, log_bin: 'OFF', sync_binlog: '0' }],
    ['buffered', { ...DURABLE, sync_binlog: '0' }],
    ['buffered', { ...DURABLE, sync_binlog: '100' }],
    ['buffered', { ...DURABLE, innodb_flush_log_at_trx_commit: '2' }],
    ['buffered', { ...DURABLE, innodb_flush_log_at_trx_commit: '0' }],
    ['buffered', { ...DURABLE, innodb_flush_method: 'nosync' }],
    ['buffered', {}],
  ] as const)('call %s what the server does with %j', (durability, variables) => {
    expect(facts(variables).durability).toBe(durability);
  });

  it('call replicated only what waits for a replica, now and without giving up', () => {
    expect(facts(SEMI_SYNC, true).durability).toBe('replicated');
    expect(facts(SEMI_SYNC, false).durability).toBe('durable');
    expect(facts({ ...SEMI_SYNC, rpl_semi_sync_source_timeout: '10000' }, true).durability).toBe('durable');
    expect(facts({ ...SEMI_SYNC, rpl_semi_sync_source_wait_point: 'AFTER_COMMIT' }, true).durability).toBe('durable');
    expect(facts({ ...SEMI_SYNC, innodb_flush_log_at_trx_commit: '2' }, true).durability).toBe('buffered');
  });

  it.each(['8.0.40', '5.7.44', '10.6.20-MariaDB', '10.5.1-MariaDB-log'])('refuse version %s', (version) => {
    expect(facts({ ...DURABLE, version }).problem).toContain(version);
  });

  it.each(['8.4.0', '9.7.4-2', '10.11.6-MariaDB-0+deb12u1', '11.4.2-MariaDB'])('take version %s', (version) => {
    expect(facts({ ...DURABLE, version }).problem).toBeUndefined();
  });

  it('refuse statements in the binary log', () => {
    expect(facts({ ...DURABLE, binlog_format: 'STATEMENT' }).problem).toContain('binlog_format');
    expect(facts({ ...DURABLE, binlog_format: 'STATEMENT', log_bin: 'OFF' }).problem).toBeUndefined();
  });

  it('know a server that takes no writes', () => {
    expect(facts({ ...DURABLE, read_only: 'ON' }).readOnly).toBe(true);
    expect(facts({ ...DURABLE, read_only: 'NO_LOCK' }).readOnly).toBe(true);
    expect(facts({ ...DURABLE, super_read_only: '1' }).readOnly).toBe(true);
    expect(facts({ ...DURABLE, read_only: 'OFF', super_read_only: 'OFF' }).readOnly).toBe(false);
  });

  it('tell servers and data directories apart', () => {
    const one = { ...DURABLE, server_uuid: 'a', hostname: 'h', datadir: '/data/' };
    expect(facts(one).identity).toBe(facts({ ...one, sync_binlog: '0' }).identity);
    for (const other of [{ server_uuid: 'b' }, { hostname: 'i' }, { datadir: '/copy/' }, { server_id: '2' }]) {
      expect(facts({ ...one, ...other }).identity).not.toBe(facts(one).identity);
    }
  });
});
