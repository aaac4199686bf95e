import {
  checkEnum,
  type DataSource_Health,
  Durability,
  type HoldBrokerLeaseRequest_DataSourceReport,
  LIMITS,
} from '@hermes/contracts';
import { type SessionId } from '@hermes/coordination';

import { refuse } from '../admin/field-check.js';

/** A sentence of a driver is shorter. */
const PROBLEM_CHARS_MAX = 500;
const VERSION_CHARS_MAX = 100;
/** More than there can be data sources. */
const REPORTS_MAX = 1_000;

type Report = Omit<HoldBrokerLeaseRequest_DataSourceReport, 'unreachable'>;

/** Names of those that answer the broker nothing. */
export function unreachableOf(reports: readonly HoldBrokerLeaseRequest_DataSourceReport[]): string[] {
  return reports
    .slice(0, REPORTS_MAX)
    .filter(({ unreachable }) => unreachable)
    .map(({ dataSource }) => dataSource);
}

/** What brokers say of the data sources that they use, as of their last heartbeats. */
export class DataSourceHealth {
  readonly #said = new Map<string, { readonly session: SessionId; readonly reports: readonly Report[] }>();

  /** A broker's word on the stream of its lease. INVALID_FIELD for a durability that this server does not know. */
  note(broker: string, session: SessionId, reports: readonly Report[]): void {
    const clipped = reports.slice(0, REPORTS_MAX).map(({ dataSource, problem, version, durability }, index) => {
      refuse(checkEnum(`heartbeat.data_sources[${index}].durability`, Durability, durability));
      return {
        dataSource: clip(dataSource, LIMITS.nameBytes),
        problem: clip(problem, PROBLEM_CHARS_MAX),
        version: clip(version, VERSION_CHARS_MAX),
        durability,
      };
    });
    this.#said.set(broker, { session, reports: clipped });
  }

  /** The broker is gone, or this stream of its is; what it said on another one stays. */
  forget(broker: string, session?: SessionId): void {
    if (session === undefined || this.#said.get(broker)?.session === session) {
      this.#said.delete(broker);
    }
  }

  /** What is said of one data source, by broker. */
  of(dataSource: string): DataSource_Health[] {
    const found = [...this.#said].flatMap(([broker, { reports }]) =>
      reports
        .filter((report) => report.dataSource === dataSource)
        .map(({ problem, version, durability }) => ({ broker, problem, version, durability })),
    );
    return found.sort((one, other) => (one.broker < other.broker ? -1 : 1));
  }
}

/** The beginning of a text, as a copy: a part of it would keep all of it in memory. */
function clip(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : Buffer.from(text.slice(0, charsMax)).toString();
}
