import { type HermesError, invalidField } from '@hermes/contracts';

/** The longest DNS name, a colon and a port. */
const ENDPOINT_BYTES_MAX = 259;
const ENDPOINT = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/;

/** The INVALID_FIELD that a broker's address deserves, if any. */
export function checkEndpoint(field: string, endpoint: string): HermesError | undefined {
  const port = Number(ENDPOINT.exec(endpoint)?.[2] ?? 0);
  return endpoint.length <= ENDPOINT_BYTES_MAX && port >= 1 && port <= 65_535
    ? undefined
    : invalidField(field, 'host:port, as others reach it');
}
