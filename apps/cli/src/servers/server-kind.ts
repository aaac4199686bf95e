import { type ConfigSources, loadConfig, type Logger, type LogLevel, type RunningService } from '@hermes/kit';
import { type z } from 'zod';

/** What every server's configuration tells the command that runs it. */
interface ServerConfig {
  readonly logLevel: LogLevel;
  readonly drainMs: number;
}

/** A server with its checked configuration, ready to be started. */
export interface PreparedServer {
  readonly config: ServerConfig;
  readonly start: (logger: Logger) => Promise<RunningService>;
}

/** A server's settings, and how it is made from them. */
export interface ServerKind {
  readonly schema: z.ZodObject;
  /** Throws ConfigError with all that is wrong. */
  prepare(sources: Omit<ConfigSources<z.ZodObject>, 'schema'>): PreparedServer;
}

/** Makes a kind of a server's exports. */
export function serverKind<S extends z.ZodObject>(
  schema: S,
  start: (config: z.output<S>, dependencies: { readonly logger: Logger }) => Promise<RunningService>,
): ServerKind {
  return {
    schema,
    prepare: (sources) => {
      const config = loadConfig({ schema, ...sources });
      return { config: config as ServerConfig, start: (logger) => start(config, { logger }) };
    },
  };
}
