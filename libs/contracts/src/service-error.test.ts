import { Metadata, status } from '@grpc/grpc-js';
import { HermesError } from './hermes-error.js';
import { fromServiceError, toServiceError } from './service-error.js';

const plain = (code: number, details = 'x'): Error =>
  Object.assign(new Error(`${code} ${details}`), { code, details, metadata: new Metadata() });

describe('errors as gRPC errors', () => {
  it('come back as they went, with the gRPC error as cause', () => {
    const error = new HermesError('NOT_OWNER', 'orders/3 moved', { details: { endpoint: 'b:4371', epoch: '7' } });
    const sent = toServiceError(error);
    expect(sent).toMatchObject({ code: status.FAILED_PRECONDITION, details: 'orders/3 moved' });
    const read = fromServiceError(sent);
    expect(read).toMatchObject({ code: 'NOT_OWNER', retryable: true, details: { endpoint: 'b:4371', epoch: '7' } });
    expect(read.cause).toBe(sent);
  });

  it.each([
    [status.UNAVAILABLE, 'x', 'OUTCOME_UNKNOWN'],
    [status.DEADLINE_EXCEEDED, 'x', 'OUTCOME_UNKNOWN'],
    [status.CANCELLED, 'x', 'OUTCOME_UNKNOWN'],
    [status.UNAUTHENTICATED, 'x', 'CREDENTIALS_INVALID'],
    [status.PERMISSION_DENIED, 'x', 'NOT_ALLOWED'],
    [status.UNIMPLEMENTED, 'x', 'NOT_IMPLEMENTED'],
    [status.INVALID_ARGUMENT, 'x', 'INVALID_FIELD'],
    [status.RESOURCE_EXHAUSTED, 'Received message larger than max (5 vs 4)', 'MESSAGE_TOO_LARGE'],
    [status.RESOURCE_EXHAUSTED, 'x', 'BACKPRESSURE'],
    [status.DATA_LOSS, 'x', 'RECORD_CORRUPT'],
    [status.INTERNAL, 'x', 'BUG'],
    [status.UNKNOWN, 'x', 'BUG'],
  ])('without details (code %p, %p) become %s and keep the code', (code, details, reason) => {
    expect(fromServiceError(plain(code, details))).toMatchObject({ code: reason, status: code, message: details });
  });

  it('with damaged or contradicting trailers are judged by their code', () => {
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from([8, 200]));
    expect(fromServiceError(Object.assign(plain(status.UNAVAILABLE), { metadata })).code).toBe('OUTCOME_UNKNOWN');
    const other = toServiceError(new HermesError('TOPIC_PAUSED', 'x'));
    expect(fromServiceError(Object.assign(other, { code: status.UNAVAILABLE })).code).toBe('OUTCOME_UNKNOWN');
  });

  it('leave a HermesError alone and call anything else a bug', () => {
    const error = new HermesError('FENCED', 'x');
    expect(fromServiceError(error)).toBe(error);
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    expect(fromServiceError(cause)).toMatchObject({ code: 'BUG', message: 'refused', cause });
    expect(fromServiceError(undefined).code).toBe('BUG');
  });
});
