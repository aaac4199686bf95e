import { hostname } from 'node:os';
import { z } from 'zod';
import { LOG_LEVELS } from '../logger.js';
import { isLoopback } from './loopback.js';

/** What the reference tells about a setting, beside its type and default. */
export interface SettingFacts {
  readonly description: string;
  readonly unit?: string;
}

/** Attaches the facts that `describeConfig` shows. */
export function setting<S extends z.ZodType>(schema: S, facts: SettingFacts): S {
  return schema.meta({ ...facts });
}

/** A TCP port; 0 takes any free one. */
export function portSetting(port: number, description: string): z.ZodDefault<z.ZodNumber> {
  return setting(z.number().int().min(0).max(65_535).default(port), { description });
}

/** A time in whole milliseconds. */
export function millisSetting(
  defaultMs: number,
  facts: { readonly description: string; readonly minMs: number; readonly maxMs: number },
): z.ZodDefault<z.ZodNumber> {
  const { description, minMs, maxMs } = facts;
  return setting(z.number().int().min(minMs).max(maxMs).default(defaultMs), { description, unit: 'ms' });
}

/** A setting whose meaning comes with a later release: better refused than silently without effect. */
export function laterSetting(description: string): z.ZodOptional<z.ZodString> {
  return setting(
    z
      .string()
      .optional()
      .refine((value) => value === undefined, { error: 'is not implemented in this release; leave it out' }),
    { description },
  );
}

const HOST_PORT = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/;

/** `host:port` */
export const addressSchema = z.string().regex(HOST_PORT, { error: 'must be host:port' });

/** Half a day: whoever needs longer is not draining. */
const DRAIN_MAX_MS = 43_200_000;

/** The settings that every process has. */
export const commonSettings = {
  host: setting(z.string().min(1).default('127.0.0.1'), { description: 'Address to listen on.' }),
  advertiseHost: setting(z.string().min(1).optional(), {
    description: 'Address under which others reach this process; that to listen on if unset.',
  }),
  insecure: setting(z.boolean().default(false), {
    description: 'Allows plain text without authentication on addresses that other machines reach.',
  }),
  reflection: setting(z.boolean().optional(), {
    description: 'Serves gRPC reflection; on loopback addresses if unset.',
  }),
  logLevel: setting(z.enum(LOG_LEVELS).default('info'), { description: 'How much is logged.' }),
  metaServers: setting(z.array(addressSchema).min(1).default(['127.0.0.1:4370']), {
    description: 'Addresses of the meta-servers, separated by commas.',
  }),
  drainMs: millisSetting(30_000, {
    description: 'Time to finish what runs when told to stop.',
    minMs: 0,
    maxMs: DRAIN_MAX_MS,
  }),
  tlsCertFile: laterSetting('Certificate chain, PEM.'),
  tlsKeyFile: laterSetting('Private key, PEM.'),
  tlsCaFile: laterSetting('Certificate authorities that peers must be signed by, PEM.'),
  tokensFile: laterSetting('Accepted tokens, lines of `token role`.'),
  tokenFile: laterSetting("This process's own token."),
};

type CommonShape = typeof commonSettings;

/** A process's schema: the common settings and its own, with the rule for addresses that other machines reach. */
export function processConfig<Shape extends z.ZodRawShape>(own: Shape): z.ZodObject<CommonShape & Shape> {
  // The rule also runs when other settings are wrong, so that one start reports everything.
  return z.object({ ...commonSettings, ...own }).superRefine(refuseExposure, { when: () => true });
}

function refuseExposure(value: unknown, context: z.RefinementCtx): void {
  const { host, insecure } = value as { readonly host?: unknown; readonly insecure?: unknown };
  if (typeof host === 'string' && !isLoopback(host) && insecure !== true) {
    context.addIssue({
      code: 'custom',
      path: ['host'],
      message:
        `${host} can be reached from other machines and nothing would be encrypted or authenticated; ` +
        'listen on 127.0.0.1, or say --insecure if that is what you want',
    });
  }
}

/** Where others reach a process that listens as configured. */
export function advertisedHost(config: { readonly host: string; readonly advertiseHost?: string | undefined }): string {
  const everyAddress = config.host === '0.0.0.0' || config.host === '::';
  return config.advertiseHost ?? (everyAddress ? hostname() : config.host);
}
