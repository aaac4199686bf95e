import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@hermes/testing';
import { z } from 'zod';
import { commonSettings, millisSetting, portSetting, processConfig, setting } from './common-settings.js';
import { ConfigError } from './config-error.js';
import { describeConfig } from './describe-config.js';
import { loadConfig } from './load-config.js';
import { SETTING_KEYS } from './setting-name.js';

const schema = processConfig({
  brokerPort: portSetting(4376, 'gRPC port.'),
  dataDir: setting(z.string().default('hermes-data'), { description: 'Where data lives.' }),
  brokerLeaseTtlMs: millisSetting(10_000, { description: 'Lease.', minMs: 1_000, maxMs: 60_000 }),
});

function problemsOf(sources: Omit<Parameters<typeof loadConfig>[0], 'schema'>): readonly string[] {
  try {
    loadConfig({ env: {}, ...sources, schema });
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).exitCode).toBe(78);
    return (error as ConfigError).problems;
  }
  return [];
}

describe('loadConfig', () => {
  it('gives the defaults when nothing is configured', () => {
    expect(loadConfig({ schema, env: {} })).toMatchObject({
      host: '127.0.0.1',
      insecure: false,
      brokerPort: 4376,
      drainMs: 30_000,
      metaServers: ['127.0.0.1:4370'],
    });
  });

  it('lets flags win over the environment and that over the file', () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'hermes.json');
    writeFileSync(file, JSON.stringify({ brokerPort: 1, dataDir: 'file', drainMs: 1 }));
    const env = { HERMES_BROKER_PORT: '2', HERMES_DATA_DIR: 'env', HERMES_CONFIG: file };
    expect(loadConfig({ schema, env, flags: { brokerPort: '3' } })).toMatchObject({
      brokerPort: 3,
      dataDir: 'env',
      drainMs: 1,
    });
  });

  it('reads text as numbers, booleans and lists, and passes over empty variables', () => {
    const env = { HERMES_INSECURE: 'yes', HERMES_META_SERVERS: 'a:1, [::1]:2', HERMES_DATA_DIR: '' };
    expect(loadConfig({ schema, env })).toMatchObject({
      insecure: true,
      metaServers: ['a:1', '[::1]:2'],
      dataDir: 'hermes-data',
    });
  });

  it('reports every problem at once, each by the name under which it was given', () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'hermes.json');
    writeFileSync(file, JSON.stringify({ brokerPrt: 1, drainMs: 'soon' }));
    const problems = problemsOf({
      file,
      env: { HERMES_BROKER_PORT: 'abc', HERMES_HOST: '0.0.0.0', HERMES_BROKER_LEASE_TLT_MS: '1' },
      flags: { brokerLeaseTtlMs: '5', dataDirr: 'x' },
    });
    expect(problems).toHaveLength(7);
    const text = problems.join('\n');
    expect(text).toContain(`brokerPrt in ${file}: there is no such setting; did you mean brokerPort?`);
    expect(text).toContain(`drainMs in ${file}: `);
    expect(text).toContain('HERMES_BROKER_PORT: ');
    expect(text).toContain('HERMES_HOST: 0.0.0.0 can be reached from other machines');
    expect(text).toContain('did you mean HERMES_BROKER_LEASE_TTL_MS?');
    expect(text).toContain('--broker-lease-ttl-ms: ');
    expect(text).toContain('--data-dirr: there is no such setting');
  });

  it('passes over the settings of other processes and variables that are not ours', () => {
    const env = {
      HERMES_GATEWAY_PORT: '1',
      HERMES_TEST_SEED: '1',
      HERMES_BROKER_SERVICE_HOST: '10.0.0.1',
      HERMES_META_PORT_4370_TCP_ADDR: '10.0.0.1',
      HOME: '/root',
    };
    expect(problemsOf({ env })).toEqual([]);
  });

  it.each([
    ['is absent', undefined, 'cannot be read'],
    ['is not JSON', '{', 'is not JSON'],
    ['is no object', '[]', 'must hold one JSON object'],
    ['is above 1 MiB', ' '.repeat(1_048_577), 'bigger than 1 MiB'],
  ])('refuses a file that %s', (_title, content, problem) => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'hermes.json');
    if (content !== undefined) {
      writeFileSync(file, content);
    }
    expect(problemsOf({ file })).toEqual([expect.stringContaining(problem)]);
  });

  it.each(['0.0.0.0', '::', '10.1.2.3', 'example.com'])('refuses to listen on %s unless told so', (host) => {
    expect(problemsOf({ flags: { host } })).toEqual([expect.stringContaining('--insecure')]);
    expect(problemsOf({ flags: { host, insecure: true } })).toEqual([]);
  });

  it.each(['127.0.0.1', '127.8.8.8', '::1', 'localhost'])('listens on %s', (host) => {
    expect(problemsOf({ flags: { host } })).toEqual([]);
  });

  it('refuses TLS and token settings, which come later, rather than ignoring them', () => {
    expect(problemsOf({ env: { HERMES_TLS_CERT_FILE: 'a', HERMES_TOKENS_FILE: 'b' } })).toHaveLength(2);
  });
});

describe('describeConfig', () => {
  it('tells name, variable, flag, unit and default of every setting', () => {
    const rows = describeConfig(schema);
    expect(rows.find(({ key }) => key === 'brokerLeaseTtlMs')).toEqual({
      key: 'brokerLeaseTtlMs',
      env: 'HERMES_BROKER_LEASE_TTL_MS',
      flag: '--broker-lease-ttl-ms',
      type: 'number',
      description: 'Lease.',
      unit: 'ms',
      default: 10_000,
    });
    expect(rows.every(({ description }) => description !== '')).toBe(true);
  });

  it('knows every common setting by name', () => {
    expect(SETTING_KEYS).toEqual(expect.arrayContaining(Object.keys(commonSettings)));
  });
});
