import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { listen } from '../listen.js';
import { type Metrics } from '../metrics.js';

/** Scrapers and probes are few; more connections than this are somebody's mistake. */
const CONNECTIONS_MAX = 64;
/** A probe sends a few headers at once; whoever takes longer is cut. */
const REQUEST_TIMEOUT_MS = 5_000;

/** What the ops server shows. */
export interface OpsServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly metrics: Metrics;
  /** Whether work can be sent here now; asked at each `/readyz`. */
  readonly ready: () => boolean;
}

/** A running ops server. */
export interface OpsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves `/metrics`, `/livez` (answers while the event loop runs) and `/readyz` (503 until ready) over plain HTTP.
 * Throws ExitError UNAVAILABLE when the port is taken.
 */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS });
  server.maxConnections = CONNECTIONS_MAX;
  server.on('request', (request, response) => {
    void answer(options, request, response);
  });
  const port = await listen(server, options.host, options.port);
  return { port, close: () => close(server) };
}

async function answer(options: OpsServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    send(response, 405, 'method not allowed');
    return;
  }
  switch (request.url?.split('?')[0]) {
    case '/livez':
      send(response, 200, 'ok');
      break;
    case '/readyz':
      if (options.ready()) {
        send(response, 200, 'ready');
      } else {
        send(response, 503, 'not ready');
      }
      break;
    case '/metrics':
      await sendMetrics(options.metrics, response);
      break;
    default:
      send(response, 404, 'try /metrics, /livez or /readyz');
  }
}

async function sendMetrics(metrics: Metrics, response: ServerResponse): Promise<void> {
  try {
    send(response, 200, await metrics.text(), metrics.contentType);
  } catch {
    // A failing gauge must not take the process with it; the scraper sees the gap.
    send(response, 500, 'metrics could not be read');
  }
}

function send(response: ServerResponse, status: number, body: string, contentType = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': contentType });
  response.end(body.endsWith('\n') ? body : `${body}\n`);
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}
