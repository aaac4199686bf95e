import { type Environment, readSecret, type SecretReference } from '@hermes/log';
import { KafkaJSNonRetriableError, type Mechanism } from 'kafkajs';
import plain from 'kafkajs/src/broker/saslAuthenticator/plain.js';
import scram256 from 'kafkajs/src/broker/saslAuthenticator/scram256.js';
import scram512 from 'kafkajs/src/broker/saslAuthenticator/scram512.js';

/** How each mechanism proves that the password is known. */
const PROOFS = { plain, 'scram-sha-256': scram256, 'scram-sha-512': scram512 } as const;

export type SaslMechanism = keyof typeof PROOFS;

/** Who logs in. */
export interface SaslLogin {
  readonly mechanism: SaslMechanism;
  readonly username: string;
  readonly password: SecretReference;
}

/** Logs each connection in with the password as it is at that moment: it may be changed while we run. */
export function logIn({ mechanism, username, password }: SaslLogin, environment: Environment): Mechanism {
  const read = async (): Promise<string> => {
    try {
      return await readSecret(password, environment);
    } catch (error) {
      throw new KafkaJSNonRetriableError(error instanceof Error ? error.message : String(error));
    }
  };
  return {
    mechanism,
    authenticationProvider: (connection) => ({
      authenticate: async () => {
        const login = { username, password: await read() };
        await PROOFS[mechanism](login)(connection).authenticate();
      },
    }),
  };
}
