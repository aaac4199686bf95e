import { randomUUID } from 'node:crypto';
import { DataSource, Durability, type HoldBrokerLeaseRequest_DataSourceReport, StorageClass } from '@hermes/contracts';
import { type SharedKafka, type TestDatabase } from '@hermes/testing';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { BrokerFixture } from '../broker-fixture.js';
import { mysqlSource, PASSWORD_VARIABLE } from '../mysql/mysql-broker.js';
import { RecordedBroker } from '../recorded-broker.js';

/** A broker whose topics are stored on a Kafka cluster, under names of their own; its groups' state is in its data directory. */
export class KafkaBroker extends RecordedBroker {
  private constructor(
    private readonly kafka: SharedKafka,
    fixture: BrokerFixture,
  ) {
    const requiredDurability = kafka.bootstrap.length > 1 ? Durability.REPLICATED : Durability.BUFFERED;
    super(fixture, { storageClass: StorageClass.KAFKA, dataSources: ['log'], requiredDurability });
  }

  /** Starts one that also knows `database` as a data source; partitions that it gives back are granted again. */
  static async start(kafka: SharedKafka, database?: TestDatabase): Promise<KafkaBroker> {
    const fixture = new BrokerFixture({ environment: { [PASSWORD_VARIABLE]: database?.password ?? '' } });
    const { dataSources } = fixture.meta.catalog;
    fixture.meta.regrants = true;
    dataSources.set(
      'log',
      DataSource.fromPartial({
        ...{ name: 'log', storageClass: StorageClass.KAFKA, endpoints: [...kafka.bootstrap] },
        kafka: { replicationFactor: kafka.bootstrap.length, topicPrefix: `t-${randomUUID()}` },
      }),
    );
    if (database !== undefined) {
      dataSources.set('db', mysqlSource(database));
    }
    await fixture.start();
    return new KafkaBroker(kafka, fixture);
  }

  /** The Kafka topic of a topic's only priority level. */
  kafkaTopic(topic: string): string {
    const { catalog } = this.fixture.meta;
    return `${catalog.dataSources.get('log')?.kafka?.topicPrefix}.${catalog.topic(topic).uid}.0`;
  }

  /** Another client of the cluster. */
  client(): Kafka {
    return new Kafka({ brokers: [...this.kafka.bootstrap], logLevel: logLevel.NOTHING });
  }

  /** What an operator does to the cluster. */
  async operate<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.client().admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }

  /** What the broker last told the meta-server of the data source. */
  get report(): HoldBrokerLeaseRequest_DataSourceReport | undefined {
    return this.fixture.meta.reports.get('log');
  }
}
