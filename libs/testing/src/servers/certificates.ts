import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { temporaryDirectory } from '../temporary-directory.js';

/** A certificate and its key (PEM). */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** An authority of a test's own. */
export interface Authority {
  /** What its certificates are checked against (PEM). */
  readonly ca: string;
  /** Signs a certificate for this host: a name, or an address. */
  sign(host: string): Certificate;
}

const KEY = ['-newkey', 'rsa:2048', '-nodes', '-sha256'];
const DAYS = ['-days', '2'];

/** Makes an authority that is thrown away after the test. Needs `openssl`. */
export function createAuthority(name = 'Authority of a test'): Authority {
  const made = openssl({}, (path) => [
    ...['req', '-x509', ...KEY, ...DAYS, '-subj', `/CN=${name}`, '-keyout', path('key'), '-out', path('certificate')],
  ]);
  return {
    ca: made.certificate,
    sign: (host) => {
      const subject = /^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`;
      return openssl({ ca: made.certificate, 'ca-key': made.key }, (path) => [
        ...['req', '-x509', ...KEY, ...DAYS, '-subj', '/CN=server', '-CA', path('ca'), '-CAkey', path('ca-key')],
        ...['-addext', `subjectAltName=${subject}`, '-addext', 'basicConstraints=critical,CA:FALSE'],
        ...['-keyout', path('key'), '-out', path('certificate')],
      ]);
    },
  };
}

/** Runs it beside files of these contents; what it writes as `certificate` and `key`. */
function openssl(
  files: Readonly<Record<string, string>>,
  args: (path: (name: string) => string) => string[],
): Certificate {
  const directory = temporaryDirectory();
  const path = (name: string): string => join(directory.path, name);
  try {
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(path(name), content, { mode: 0o600 });
    }
    execFileSync('openssl', args(path), { stdio: ['ignore', 'ignore', 'pipe'] });
    return { certificate: readFileSync(path('certificate'), 'utf8'), key: readFileSync(path('key'), 'utf8') };
  } finally {
    directory.remove();
  }
}
