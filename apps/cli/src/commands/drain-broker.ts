import { setTimeout as sleep } from 'node:timers/promises';
import { DrainBrokerResponse } from '@hermes/contracts';
import { show } from '../output.js';
import { type Session } from '../session.js';
import { readPartitions } from './cluster.js';

/** How often a waiting drain asks what is left. */
const DRAIN_POLL_MS = 500;

/**
 * hermes broker drain B: moves its partitions away; with `wait`, until none is left that can move. Partitions that
 * are bound to its data directory stay: they are named.
 */
export async function drainBroker(
  session: Session,
  broker: string,
  flags: { readonly wait?: boolean; readonly cancel?: boolean },
): Promise<void> {
  const request = { broker, cancel: flags.cancel ?? false };
  const ask = (): Promise<DrainBrokerResponse> =>
    session.unary((metadata, options, done) => session.admin.drainBroker(request, metadata, options, done));
  let response = await ask();
  let bound: readonly string[] = [];
  let told = Number.POSITIVE_INFINITY;
  while (flags.wait === true && !request.cancel && response.partitionsLeft > 0) {
    bound = await boundPartitions(session, broker);
    if (bound.length >= response.partitionsLeft) {
      break;
    }
    if (response.partitionsLeft !== told) {
      told = response.partitionsLeft;
      session.terminal.note(`${broker}: ${told} partitions left …`);
    }
    await sleep(DRAIN_POLL_MS, undefined, { signal: session.terminal.signal }).catch(() => {
      session.terminal.signal.throwIfAborted();
    });
    response = await ask();
  }
  await show(session, response, DrainBrokerResponse, ({ partitionsLeft }) =>
    request.cancel
      ? [`${broker} takes partitions again; it owns ${partitionsLeft}`]
      : [
          `${broker} is draining; partitions left: ${partitionsLeft}`,
          ...(partitionsLeft > 0 && bound.length > 0
            ? [`they are bound to its data directory and stay: ${bound.join(', ')}`]
            : []),
        ],
  );
}

/** What of a broker no drain moves, as topic/partition. */
async function boundPartitions(session: Session, broker: string): Promise<string[]> {
  const partitions = await readPartitions(session, '');
  return partitions
    .filter((one) => one.broker === broker && one.dataDirectory !== '')
    .map(({ topic, partition }) => `${topic}/${partition}`);
}
