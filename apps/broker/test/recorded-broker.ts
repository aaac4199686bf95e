import { HermesError, type Message, statusToError, type Topic } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { type BrokerFixture, message, type TestSubscriber } from './broker-fixture.js';

const GROUP = 'billing';
/** A broker notices what has changed, and opens its partitions again, within this time on a busy machine, too. */
export const RECOVERY_DEADLINE_MS = 30_000;

/** A broker whose topics are stored on a server, and what its publishers were told. */
export class RecordedBroker implements AsyncDisposable {
  readonly #acknowledged = new Map<string, string[]>();

  /** `fields` are those of the topics that it makes. */
  protected constructor(
    readonly fixture: BrokerFixture,
    private readonly fields: Partial<Topic>,
  ) {}

  /** Makes a topic with a group that starts at its beginning. */
  async topic(name: string, fields: Partial<Topic> = {}): Promise<void> {
    await this.fixture.topic(name, { ...this.fields, ...fields });
    await this.fixture.group(name, GROUP);
  }

  /** Takes a partition away and grants it anew, so that nothing of it is in memory. */
  async reopen(topic: string, partition = 0): Promise<void> {
    const { meta } = this.fixture;
    meta.take(topic, partition);
    const { epoch } = meta.grant(topic, partition);
    await eventually(() => meta.isReady(topic, partition, epoch), { deadlineMs: RECOVERY_DEADLINE_MS });
  }

  /** Publishes one message: `stored`, or the code of its error. */
  async publish(topic: string, text: string, fields: Partial<Message> = {}, partition = 0): Promise<string> {
    try {
      const { results } = await this.fixture.publish({ topic, partition, messages: [message(text, fields)] });
      const outcome = results[0]?.outcome;
      if (outcome?.$case === 'error') {
        return statusToError(outcome.value).code;
      }
    } catch (error) {
      if (error instanceof HermesError) {
        return error.code;
      }
      throw error;
    }
    this.#acknowledged.set(topic, [...(this.#acknowledged.get(topic) ?? []), text]);
    return 'stored';
  }

  /** Publishes until it is told so; gives the different answers before. */
  async publishUntil(topic: string, wanted: string): Promise<string[]> {
    const seen = new Set<string>();
    let count = 0;
    await eventually(
      async () => {
        const answer = await this.publish(topic, `${wanted}-${(count += 1)}`);
        if (answer !== wanted) {
          seen.add(answer);
        }
        return answer === wanted;
      },
      { deadlineMs: RECOVERY_DEADLINE_MS },
    );
    return [...seen];
  }

  subscribe(topic: string): Promise<TestSubscriber> {
    return this.fixture.subscribe({ topic, group: GROUP }).opened();
  }

  /** Consumes a topic from where its group is: everything acknowledged is there, and all of it can be settled. */
  async consumeAll(topic: string): Promise<void> {
    const acknowledged = this.#acknowledged.get(topic) ?? [];
    const subscriber = await this.subscribe(topic);
    await eventually(
      () => {
        expect([...new Set(subscriber.texts)]).toEqual(expect.arrayContaining(acknowledged));
      },
      { deadlineMs: RECOVERY_DEADLINE_MS },
    );
    const settled = await subscriber.settle(subscriber.deliveries);
    expect(settled.filter((answer) => answer !== 'OK')).toEqual([]);
    subscriber.cancel();
    this.#acknowledged.set(topic, []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fixture.stop();
  }
}
