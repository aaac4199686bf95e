import type { OpenPartitionOutcome } from '@hermes/log';
import type { Random, Timers } from '@hermes/runtime';

import type { AcknowledgedOffsets } from './acknowledged-offsets.js';
import type { DataSource } from './data-source.js';
import type { LastRow, LaneTable } from './lane-table.js';
import type { NoticeListener } from './notice.js';

/** What an opening needs of the engine. */
export interface OpeningContext {
  readonly source: DataSource;
  readonly acknowledged: AcknowledgedOffsets;
  /** Rows of a lane's first ranges. */
  readonly rangeRows: number;
  /** How long a range is kept after its newest record was written. */
  readonly rangeKeptMs: number;
  readonly timers: Timers;
  readonly random: Random;
  readonly onNotice: NoticeListener;
  /** Work that nobody waits for. */
  readonly background: (name: string, task: () => Promise<void>) => void;
}

/** A lane as it was found. */
export interface FoundLane {
  readonly table: LaneTable;
  readonly firstOffset: number;
  /** Below it no record's schedule is still stored. */
  readonly promotionMark: number;
  /** Upper bounds of its ranges. */
  readonly bounds: readonly number[];
  readonly last: LastRow | undefined;
}

type OpeningRefusal = Exclude<OpenPartitionOutcome, { readonly kind: 'opened' }>;

/** Ends an opening early; becomes its outcome. */
export class OpeningRefused extends Error {
  override readonly name = 'OpeningRefused';
  readonly outcome: OpeningRefusal;

  constructor(outcome: OpeningRefusal) {
    super(outcome.kind);
    this.outcome = outcome;
  }
}

export function dataLoss(detail: string): OpeningRefused {
  return new OpeningRefused({ kind: 'dataLoss', detail });
}
