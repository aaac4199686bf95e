import { MetadataError } from './metadata-error.js';
import { type MetadataOptions } from './metadata-options.js';
import { type MetadataDatabase } from './metadata.js';
import { MYSQL_SCHEME, parseMysqlUrl } from './mysql/mysql-url.js';
import { openMysqlMetadata } from './mysql/open-mysql.js';
import { openSqliteMetadata, SQLITE_SCHEME, sqlitePath } from './sqlite/open-sqlite.js';

/**
 * Opens the metadata database and migrates its schema. One that only one process can have is LOCKED while another has
 * it. Every write is durable when its promise resolves.
 */
export async function openMetadata(options: MetadataOptions): Promise<MetadataDatabase> {
  checkUrl(options.url);
  return options.url.startsWith(MYSQL_SCHEME) ? openMysqlMetadata(options) : openSqliteMetadata(options);
}

/** Adds to a setting's check what is wrong with a URL, without repeating it: it might hold a password. */
export function checkMetadataUrl(
  url: string,
  context: { addIssue(issue: { readonly code: 'custom'; readonly message: string }): void },
): void {
  try {
    checkUrl(url);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
  }
}

function checkUrl(url: string): void {
  if (url.startsWith(SQLITE_SCHEME)) {
    sqlitePath(url);
  } else if (url.startsWith(MYSQL_SCHEME)) {
    parseMysqlUrl(url);
  } else {
    throw new MetadataError('URL_INVALID', 'the metadata URL must be sqlite:PATH or mysql://USER@HOST:PORT/DATABASE');
  }
}
