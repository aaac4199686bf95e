import { type Environment, readSecret, type SecretReference } from './secret.js';
import { StoreError } from './store-error.js';

/** TLS to the servers of a data source; their certificates are always verified. */
export interface TlsOptions {
  /** Authorities that may have signed the servers' certificates; the system's if unset. */
  readonly ca?: SecretReference;
  /** Our own certificate and key, if the servers ask for them: both or neither. */
  readonly certificate?: SecretReference;
  readonly key?: SecretReference;
}

/** The same with the secrets read, by Node's names; what is unset is left out. */
export interface TlsSecrets {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Reads the secrets anew. Rejects with StoreError, `unavailable`, if one cannot be read, or stands alone. */
export async function readTls(tls: TlsOptions, environment: Environment): Promise<TlsSecrets> {
  if ((tls.certificate === undefined) !== (tls.key === undefined)) {
    throw new StoreError('unavailable', 'a TLS certificate needs its key, and a key its certificate');
  }
  const read = async (reference: SecretReference | undefined): Promise<string | undefined> =>
    reference === undefined ? undefined : readSecret(reference, environment);
  const [ca, cert, key] = await Promise.all([read(tls.ca), read(tls.certificate), read(tls.key)]);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
