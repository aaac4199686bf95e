import { isIntact, packRows, type ReadBounds, RECORD_KIND, RecordBlock, StoreError, type StoredRow } from '@hermes/log';

import type { LaneTable } from './lane-table.js';
import type { Session } from './session.js';

/** Taken for a record's size while none was read. */
const RECORD_BYTES_GUESS = 1_024;

/** So many rows are asked for at least: the guess must not make pages of small records smaller than they may be. */
const ROWS_MIN = 64;

/** A record that is so many times larger than the mean is left out of a page, and read by itself. */
const LARGE_FACTOR = 8;

/** [offset, kind, appended_at, crc32, record or null if it was left out, expires_at] */
type PageRow = readonly [number, number, number, number, Buffer | null, number | null];

/**
 * Reads pages of one lane by ranges of its key. The number of rows is chosen by the mean size of those read before; a
 * record far above it is left out by the server, so that a page has a bound in bytes whatever the lane holds.
 */
export class PageReader {
  readonly #table: LaneTable;
  #meanBytes: number;

  constructor(table: LaneTable, meanBytes: number) {
    this.#table = table;
    this.#meanBytes = meanBytes || RECORD_BYTES_GUESS;
  }

  /** Messages from `from` on; `end` is the lane's next offset. Fails with `recordCorrupt` at a bad first one. */
  async read(session: Session, from: number, end: number, bounds: ReadBounds): Promise<RecordBlock> {
    const rowsMax = Math.min(bounds.maxRecords, Math.max(ROWS_MIN, Math.ceil(bounds.maxBytes / this.#meanBytes)));
    const bytesMax = Math.ceil(LARGE_FACTOR * Math.max(this.#meanBytes, RECORD_BYTES_GUESS));
    const rows = await this.#select(session, [from, end, rowsMax], bytesMax);
    const large = rows[0]?.[4] === null ? rows[0] : undefined;
    return large === undefined
      ? this.#take(rows, { from, end, rowsMax }, bounds)
      : this.#take(await this.#select(session, [large[0], end, 1]), { from, end, rowsMax: 1 }, bounds);
  }

  async #select(
    session: Session,
    [from, end, rowsMax]: [number, number, number],
    bytesMax?: number,
  ): Promise<readonly PageRow[]> {
    const record = bytesMax === undefined ? 'record' : 'IF(LENGTH(record) <= ?, record, NULL)';
    const { rows } = await session.execute(
      `SELECT log_offset, kind, appended_at, crc32, ${record}, expires_at FROM ${this.#table.name}
       WHERE log_offset >= ? AND log_offset < ? ORDER BY log_offset LIMIT ?`,
      [...(bytesMax === undefined ? [] : [bytesMax]), from, end, rowsMax],
    );
    return rows as unknown as readonly PageRow[];
  }

  #take(
    rows: readonly PageRow[],
    asked: { readonly from: number; readonly end: number; readonly rowsMax: number },
    { maxBytes }: ReadBounds,
  ): RecordBlock {
    const messages: StoredRow[] = [];
    let bytes = 0;
    let nextOffset = rows.length < asked.rowsMax ? asked.end : (rows.at(-1)?.[0] ?? asked.from) + 1;
    for (const row of rows) {
      bytes += row[4]?.length ?? 0;
      // What is good comes first; the next read starts at the bad or the large one.
      if (!isWhole(row) || (messages.length > 0 && (bytes > maxBytes || !isIntact(row)))) {
        nextOffset = row[0];
        break;
      }
      this.#check(row);
      if (row[1] === RECORD_KIND.message) {
        messages.push(row);
      }
    }
    return this.#pack(messages, asked.from, nextOffset);
  }

  #pack(messages: readonly StoredRow[], from: number, nextOffset: number): RecordBlock {
    const packed = packRows(messages);
    if (messages.length > 0) {
      this.#meanBytes = Math.max(1, packed.recordBytes / messages.length);
    }
    return new RecordBlock(from, nextOffset, { ...packed.columns(), keyHashes: undefined });
  }

  #check(row: StoredRow): void {
    if (!isIntact(row)) {
      const message = `record ${row[0]} of ${this.#table.name} does not match its checksum`;
      throw new StoreError('recordCorrupt', message, { details: { ...this.#table.address, offset: row[0] } });
    }
  }
}

function isWhole(row: PageRow): row is PageRow & StoredRow {
  return row[4] !== null;
}
