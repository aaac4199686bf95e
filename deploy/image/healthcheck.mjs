// Asks the ops ports of this container whether they are ready: fine if one answers and all that answer are ready.
//   healthcheck.mjs [port…]      those of a meta-server, a broker and a gateway if none is named
import { get } from 'node:http';

const TIMEOUT_MS = 3_000;
const { HERMES_META_OPS_PORT, HERMES_BROKER_OPS_PORT, HERMES_GATEWAY_OPS_PORT } = process.env;
const usual = [HERMES_META_OPS_PORT ?? 9470, HERMES_BROKER_OPS_PORT ?? 9476, HERMES_GATEWAY_OPS_PORT ?? 9480];
const given = process.argv.slice(2);
const ports = given.length > 0 ? given : usual;

/** The status, 0 if something listens that does not answer in time, undefined if nothing listens. */
const ask = (port) =>
  new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/readyz', timeout: TIMEOUT_MS }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('timeout', () => {
      resolve(0);
      request.destroy();
    });
    request.on('error', ({ code }) => resolve(code === 'ECONNREFUSED' ? undefined : 0));
  });

const statuses = await Promise.all(ports.map(ask));
const answered = statuses.filter((status) => status !== undefined);
process.stdout.write(`${ports.map((port, at) => `${port}: ${statuses[at] ?? 'nothing listens'}`).join(', ')}\n`);
process.exitCode = answered.length > 0 && answered.every((status) => status === 200) ? 0 : 1;
