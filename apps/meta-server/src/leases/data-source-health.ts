import { type DataSource_Health, type HoldBrokerLeaseRequest_DataSourceReport } from '@hermes/contracts';

/** A sentence of a driver is shorter. */
const PROBLEM_CHARS_MAX = 500;
const VERSION_CHARS_MAX = 100;
/** More than there can be data sources. */
const REPORTS_MAX = 1_000;

/** What brokers say of the data sources that they use, as of their last heartbeats. */
export class DataSourceHealth {
  readonly #reports = new Map<string, readonly HoldBrokerLeaseRequest_DataSourceReport[]>();

  note(broker: string, reports: readonly HoldBrokerLeaseRequest_DataSourceReport[]): void {
    this.#reports.set(broker, reports.slice(0, REPORTS_MAX));
  }

  /** The broker is gone. */
  forget(broker: string): void {
    this.#reports.delete(broker);
  }

  /** What is said of one data source, by broker. */
  of(dataSource: string): DataSource_Health[] {
    const found = [...this.#reports].flatMap(([broker, reports]) =>
      reports
        .filter((report) => report.dataSource === dataSource)
        .map(({ problem, version, durability }) => ({
          broker,
          problem: problem.slice(0, PROBLEM_CHARS_MAX),
          version: version.slice(0, VERSION_CHARS_MAX),
          durability,
        })),
    );
    return found.sort((one, other) => (one.broker < other.broker ? -1 : 1));
  }
}
