import { status as grpc } from '@grpc/grpc-js';
import { HermesError, invalidField } from './hermes-error.js';
import { REASON, type Reason, REASON_RULES, ruleOf } from './reason.js';
import { DEFAULT_RETRY_AFTER_MS, statusToError, toStatus } from './status.js';

const reasons = Object.keys(REASON_RULES) as Reason[];

describe('errors as google.rpc.Status', () => {
  it.each(reasons)('%s survives with its code, message and details', (reason) => {
    const error = new HermesError(reason, 'what happened', { details: { endpoint: 'a:1', ['__proto__']: 'x' } });
    const read = statusToError(toStatus(error));
    expect(read).toMatchObject({ code: reason, status: ruleOf(reason).code, message: 'what happened' });
    expect(read.retryable).toBe(error.retryable);
    expect(Object.entries(read.details)).toEqual(Object.entries(error.details));
    expect(REASON[reason]).toBe(reason);
  });

  it('carry RetryInfo where waiting helps, and only there', () => {
    expect(statusToError(toStatus(new HermesError('DRAINING', 'x'))).retryAfterMs).toBe(DEFAULT_RETRY_AFTER_MS);
    expect(statusToError(toStatus(new HermesError('BACKPRESSURE', 'x', { retryAfterMs: 250 }))).retryAfterMs).toBe(250);
    expect(statusToError(toStatus(new HermesError('TOPIC_PAUSED', 'x'))).retryAfterMs).toBeUndefined();
  });

  it('name field and limit in BadRequest', () => {
    const read = statusToError(toStatus(invalidField('entries', '1 to 10,000 entries')));
    expect(read.violations).toEqual([{ field: 'entries', description: '1 to 10,000 entries' }]);
  });

  it('keep the code that applies to an unknown outcome', () => {
    const error = new HermesError('OUTCOME_UNKNOWN', 'x', { status: grpc.DEADLINE_EXCEEDED });
    expect(toStatus(error).code).toBe(grpc.DEADLINE_EXCEEDED);
    expect(statusToError(toStatus(error))).toMatchObject({ code: 'OUTCOME_UNKNOWN', status: grpc.DEADLINE_EXCEEDED });
  });

  it('of a later version fall back on the gRPC code and keep their reason', () => {
    const status = toStatus(new HermesError('DRAINING', 'x', { retryAfterMs: 7 }));
    const later = { ...status, details: status.details.map((one) => ({ ...one })) };
    later.details[0]!.value = Buffer.from(later.details[0]!.value.toString('latin1').replace('DRAINING', 'NEWTHING'));
    expect(statusToError(later)).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      retryAfterMs: 7,
      details: { reason: 'NEWTHING' },
    });
  });

  it('with damaged details are judged by the gRPC code', () => {
    const damaged = { typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value: Buffer.from([10, 200]) };
    expect(statusToError({ code: grpc.PERMISSION_DENIED, message: 'x', details: [damaged] }).code).toBe('NOT_ALLOWED');
  });
});
