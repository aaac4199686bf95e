import { constants, type ServerHttp2Stream } from 'node:http2';

import { LIMITS } from '@hermes/contracts';

/** What is needed of grpc-js' streams; they show it to nobody. */
interface Transported {
  readonly call?: { readonly stream?: ServerHttp2Stream };
}

/** How long a peer may go on after the end of a stream, and how long it may leave that end unread. */
const LINGER = { endMs: 5_000, readMs: LIMITS.slowConsumerMs };

/**
 * Resets a stream that has failed and that its peer does not end. grpc-js leaves it open for as long as the peer likes:
 * what that leaves unread stays in memory, and what it goes on sending is read.
 */
export function resetLater(raw: unknown, { endMs, readMs } = LINGER): void {
  const transport = (raw as Transported).call?.stream;
  if (transport === undefined || transport.closed) {
    return;
  }
  const timers = [
    setTimeout(() => {
      if (transport.writableFinished) {
        transport.close(constants.NGHTTP2_NO_ERROR);
      }
    }, endMs),
    setTimeout(() => {
      transport.close(transport.writableFinished ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_ENHANCE_YOUR_CALM);
    }, readMs),
  ];
  transport.once('close', () => {
    timers.forEach(clearTimeout);
  });
  timers.forEach((timer) => timer.unref());
}
