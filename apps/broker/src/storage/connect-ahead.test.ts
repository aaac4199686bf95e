import { DataSource, HermesError, StorageClass } from '@hermes/contracts';
import { type StorageEngine, StoreError } from '@hermes/log';
import { FakeClock, FakeTimers } from '@hermes/testing';
import { connectAhead } from './connect-ahead.js';

describe('connectAhead', () => {
  const timers = new FakeTimers(new FakeClock());
  let asked: string[];

  /** Connects to these; `answer` is what becomes of each. */
  const connect = (
    listed: DataSource[] | Error,
    answer: () => Promise<StorageEngine> = () => Promise.resolve({} as StorageEngine),
  ): Promise<void> => {
    asked = [];
    const mysql = ({ name }: DataSource): Promise<StorageEngine> => {
      asked.push(name);
      return answer();
    };
    const listDataSources = (): Promise<DataSource[]> =>
      listed instanceof Error ? Promise.reject(listed) : Promise.resolve(listed);
    return connectAhead({ catalog: { listDataSources }, dataSources: { mysql }, timers });
  };
  const sources = (count: number, storageClass = StorageClass.MYSQL): DataSource[] =>
    Array.from({ length: count }, (_, nth) => DataSource.fromPartial({ name: `db-${nth}`, storageClass }));
  afterEach(() => {
    expect(timers.size).toBe(0);
  });

  it('connects to MySQL data sources, whatever becomes of it', async () => {
    const unreachable = (): Promise<StorageEngine> => Promise.reject(new StoreError('unavailable', 'not reachable'));
    await connect([...sources(2), ...sources(1, StorageClass.KAFKA)], unreachable);
    expect(asked).toEqual(['db-0', 'db-1']);
  });

  it('leaves many to those who need them, and does without a meta-server', async () => {
    await connect(sources(9));
    expect(asked).toEqual([]);
    await connect(new HermesError('NO_LEADER', 'no meta-server answers'));
    expect(asked).toEqual([]);
  });

  it('waits a second at most', async () => {
    let isOver = false;
    const connecting = connect(sources(1), () => new Promise(() => undefined)).then(() => {
      isOver = true;
    });
    await timers.advanceAsync(999);
    expect(isOver).toBe(false);
    await timers.advanceAsync(1);
    await connecting;
    expect(asked).toEqual(['db-0']);
  });
});
