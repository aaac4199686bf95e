import { type HermesError, invalidField } from '@hermes/contracts';
import { parseAddress } from '@hermes/kit';

/** The longest DNS name, a colon and a port. */
const ENDPOINT_BYTES_MAX = 259;

/** The INVALID_FIELD that an address deserves, if any. */
export function checkEndpoint(field: string, endpoint: string): HermesError | undefined {
  return endpoint.length <= ENDPOINT_BYTES_MAX && parseAddress(endpoint) !== undefined
    ? undefined
    : invalidField(field, 'host:port, as others reach it');
}
