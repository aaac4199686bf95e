import { constants, type ServerHttp2Stream } from 'node:http2';

/** What is needed of grpc-js' streams; they show it to nobody. */
interface Transported {
  readonly call?: { readonly stream?: ServerHttp2Stream };
}

/**
 * Resets a stream that has been answered, and that its peer has not ended after `lingerMs`. grpc-js leaves it open for
 * as long as the peer likes: what that leaves unread stays in memory, and what it goes on sending is read.
 */
export function resetLater(raw: unknown, lingerMs: number): void {
  const transport = (raw as Transported).call?.stream;
  if (transport === undefined || transport.closed) {
    return;
  }
  const timer = setTimeout(() => {
    const { NGHTTP2_NO_ERROR, NGHTTP2_ENHANCE_YOUR_CALM } = constants;
    transport.close(transport.writableFinished ? NGHTTP2_NO_ERROR : NGHTTP2_ENHANCE_YOUR_CALM);
  }, lingerMs);
  timer.unref();
  transport.once('close', () => {
    clearTimeout(timer);
  });
}
