import fc from 'fast-check';
import { ackEntries, ackResults, text } from '../../test/arbitraries.js';
import { AcknowledgeRequest, AcknowledgeResponse, type AckResult } from '../messaging.js';
import {
  decodeAcknowledgeRequest,
  decodeAcknowledgeResponse,
  encodeAcknowledgeRequest,
  encodeAcknowledgeResponse,
} from './acknowledge.js';
import { invalidField, HermesError } from '../hermes-error.js';
import { LIMITS } from '../limits.js';
import { statusToError, toStatus } from '../status.js';
import { WireError } from './wire-error.js';

const requests: fc.Arbitrary<AcknowledgeRequest> = fc.record({
  topic: text(),
  group: text(),
  consumer: text(),
  entries: fc.array(ackEntries, { maxLength: 5 }),
});
const responses = fc.record({ results: fc.array(ackResults, { maxLength: 5 }) });

describe('raw AcknowledgeRequest', () => {
  it('is written and read as the generated code does', () => {
    fc.assert(
      fc.property(requests, (request) => {
        const bytes = Buffer.from(AcknowledgeRequest.encode(request).finish());
        expect(encodeAcknowledgeRequest(request).equals(bytes)).toBe(true);
        const read = decodeAcknowledgeRequest(bytes);
        expect(AcknowledgeRequest.decode(encodeAcknowledgeRequest(read))).toEqual(request);
        expect(read.entries.map(({ receipt }) => Buffer.from(receipt))).toEqual(
          request.entries.map(({ receipt }) => receipt),
        );
      }),
    );
  });

  it('lets an unknown outcome through, for the server to refuse that entry', () => {
    const read = decodeAcknowledgeRequest(Uint8Array.from([0x22, 2, 0x10, 99]));
    expect(read.entries[0]?.outcome).toBe(99);
  });

  it('refuses damaged bytes', () => {
    expect(() => decodeAcknowledgeRequest(Uint8Array.from([0x22, 2, 0x0a, 5]))).toThrow(WireError);
  });
});

describe('raw AcknowledgeResponse', () => {
  it('is written and read as the generated code does', () => {
    fc.assert(
      fc.property(responses, (response) => {
        const bytes = Buffer.from(AcknowledgeResponse.encode(response).finish());
        expect(encodeAcknowledgeResponse(response).equals(bytes)).toBe(true);
        expect(decodeAcknowledgeResponse(bytes)).toEqual(response);
      }),
    );
  });

  it.each([
    invalidField('entries[9999].receipt', 'a receipt as it was delivered'),
    new HermesError('STORAGE_UNAVAILABLE', 'the store does not answer', { retryAfterMs: 200 }),
    new HermesError('NOT_OWNER', 'elsewhere', { details: { endpoint: 'b'.repeat(259), epoch: '9' } }),
  ])('keeps code and reason of each of 10,000 errors within the limit: $code', (error) => {
    const results = new Array<AckResult>(LIMITS.ackEntries).fill({ error: toStatus(error) });
    const bytes = encodeAcknowledgeResponse({ results });
    expect(bytes.length).toBeLessThanOrEqual(LIMITS.frameBytes);
    const read = decodeAcknowledgeResponse(bytes).results.map((result) => statusToError(result.error!));
    expect(new Set(read.map(({ code, status }) => `${code} ${status}`))).toEqual(
      new Set([`${error.code} ${error.status}`]),
    );
  });
});
