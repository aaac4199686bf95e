import { type Clock, type Timers } from '@hermes/runtime';

import { type Migration } from './sql/migrations.js';

/** How to reach the metadata database. */
export interface MetadataOptions {
  /** `sqlite:PATH` or `mysql://USER@HOST:PORT/DATABASE?…` (see `parseMysqlUrl`); never with a password. */
  readonly url: string;
  /** File whose first line is the password of a MySQL user; read again at each connection. None if unset. */
  readonly passwordFile?: string | undefined;
  readonly clock?: Clock;
  readonly timers?: Timers;
  /** The schema's steps; tests give their own. */
  readonly migrations?: readonly Migration[];
}
