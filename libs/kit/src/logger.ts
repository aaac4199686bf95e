import { pino } from 'pino';

/** From the loudest to the quietest. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** How much is logged. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a log line tells beside its message. No payloads, no secrets. */
export type LogFacts = Readonly<Record<string, unknown>>;

/** Structured log: the message is constant, facts are fields; an error goes in as `err`. */
export interface Logger {
  debug(facts: LogFacts, message: string): void;
  info(facts: LogFacts, message: string): void;
  warn(facts: LogFacts, message: string): void;
  error(facts: LogFacts, message: string): void;
  fatal(facts: LogFacts, message: string): void;
  /** A logger that adds `facts` to each of its lines. */
  child(facts: LogFacts): Logger;
}

/** Where lines go; standard error if unset. */
export interface LogDestination {
  write(line: string): void;
}

/** Makes the logger of one component: JSON lines, written at once so that a crash loses none. */
export function createLogger(options: {
  readonly component: string;
  readonly level?: LogLevel;
  readonly destination?: LogDestination;
}): Logger {
  const { component, level = 'info', destination = pino.destination({ fd: 2, sync: true }) } = options;
  return pino(
    {
      level,
      base: { component },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}

/** Logs nothing. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  fatal: () => undefined,
  child: () => silentLogger,
};
