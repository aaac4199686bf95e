import { type Claim, HermesError, invalidField, type Resume } from '@hermes/contracts';
import { type GroupSettings } from '../catalog/settings.js';
import { type GroupMember } from '../partition/group-member.js';
import { type GroupPump } from '../partition/group-pump.js';
import { type OwnedTopic } from '../partition/owned-topic.js';
import { type Ownership } from '../partition/ownership.js';
import { type Partition } from '../partition/partition.js';
import { type Subscription } from './subscription.js';

/** Where a consumer takes part. */
export interface Target {
  readonly partition: Partition;
  readonly pump: GroupPump;
  readonly consumerEpoch: number;
}

/** How a consumer takes part. */
export interface JoinTerms {
  readonly ackDeadlineMs: number;
  /** What its consumer had before, perhaps at another owner. */
  readonly resume?: Resume | undefined;
  /** Pulls of one consumer may run beside each other; of its streams the newer one wins. */
  readonly isPull: boolean;
}

/** The claimed partitions that are served here; all served ones without claims. Throws if there is none. */
export async function findTargets(
  ownership: Ownership,
  topic: OwnedTopic,
  settings: GroupSettings,
  claims: readonly Claim[],
): Promise<Target[]> {
  const wanted = claims.length > 0 ? claims : topic.partitions.map(unclaimed);
  if (settings.mode === 'exclusive' && claims.length === 0) {
    throw invalidField('claims', 'at least one: an EXCLUSIVE group is subscribed to by its leases');
  }
  const targets: Target[] = [];
  for (const { partition: number, consumerEpoch } of wanted) {
    if (number < 0) {
      throw invalidField('claims', `0 to ${topic.settings.partitions - 1}`);
    }
    const partition = topic.served(number);
    const pump = partition?.group(settings.name);
    if (partition !== undefined && pump !== undefined) {
      targets.push({ partition, pump, consumerEpoch });
    }
  }
  if (targets.length === 0) {
    throw await ownership.refusal(topic.settings.name, wanted[0]?.partition, 'claims');
  }
  return targets;
}

/**
 * Joins where the claim is not too old, and waits until EXCLUSIVE claims are durable. Throws if the subscription has no
 * partition after it.
 */
export async function joinAll(
  subscription: Subscription,
  targets: readonly Target[],
  settings: GroupSettings,
  terms: JoinTerms,
): Promise<void> {
  const joined: { readonly target: Target; readonly member: GroupMember }[] = [];
  let refusal: HermesError | undefined;
  for (const target of targets) {
    try {
      const { consumerEpoch } = target;
      const member = target.pump.join({ subscription, consumerEpoch, ...terms });
      subscription.attach(target.partition.number, member);
      joined.push({ target, member });
    } catch (error) {
      if (!(error instanceof HermesError)) {
        throw error;
      }
      // The one that knows the highest epoch: what is granted next is above all of them.
      refusal = refusal === undefined || epochIn(error) > epochIn(refusal) ? error : refusal;
    }
  }
  if (subscription.partitions.length === 0 && refusal !== undefined) {
    throw refusal;
  }
  if (settings.mode === 'exclusive') {
    await Promise.all(
      joined.map(async ({ target: { partition, pump }, member }) => {
        const failure = await partition.settles.write(pump);
        if (failure !== undefined) {
          member.abandon(failure);
        }
      }),
    );
  }
}

/** Of a newer consumer. */
function epochIn({ details }: HermesError): number {
  return Number(details['epoch'] ?? 0);
}

function unclaimed({ number }: Partition): Claim {
  return { partition: number, consumerEpoch: 0 };
}
