import fc from 'fast-check';
import { ackEntries, ackResults, text } from '../../test/arbitraries.js';
import { AcknowledgeRequest, AcknowledgeResponse } from '../messaging.js';
import {
  decodeAcknowledgeRequest,
  decodeAcknowledgeResponse,
  encodeAcknowledgeRequest,
  encodeAcknowledgeResponse,
} from './acknowledge.js';
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
});
