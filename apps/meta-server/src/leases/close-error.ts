import { HermesError } from '@hermes/contracts';
import { CLOSE_REASON, type CloseReason } from '@hermes/coordination';

/**
 * What a lease stream ends with when the leases close it. A `member` of the stream who is the reason is named: others
 * may be on their way to it.
 */
export function closeError(reason: CloseReason, member?: number): HermesError {
  const options = member === undefined ? {} : { details: { member: String(member) } };
  switch (reason) {
    case CLOSE_REASON.replaced:
      return new HermesError('FENCED', 'a newer stream of the same process has taken the place of this one');
    case CLOSE_REASON.fenced:
      return new HermesError('FENCED', 'a newer process or consumer of the same name has taken over', options);
    case CLOSE_REASON.expired:
      // Nobody took the holder's place, so it may come back: a gateway that was merely late must not end its subscribers.
      return new HermesError(
        'PARTITION_MOVING',
        'no heartbeat came within the TTL: the lease has ended, register again',
      );
    case CLOSE_REASON.nameInUse:
      return new HermesError('RESOURCE_IN_USE', 'another live process has this name; give each broker its own');
    case CLOSE_REASON.tooMany:
      return new HermesError('QUOTA_EXCEEDED', 'there are as many brokers or consumers as there can be', options);
    case CLOSE_REASON.unknownGroup:
      return new HermesError('GROUP_NOT_FOUND', 'there is no such topic or group', options);
    case CLOSE_REASON.notRegistered:
      return new HermesError('FENCED', 'nothing is held on this stream: register or join first');
  }
}
