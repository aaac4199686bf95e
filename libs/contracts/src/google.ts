export { Status } from './gen/google/rpc/status.pb.js';
export { BadRequest, BadRequest_FieldViolation, ErrorInfo, RetryInfo } from './gen/google/rpc/error_details.pb.js';
export { Any } from './gen/google/protobuf/any.pb.js';
export { Duration } from './gen/google/protobuf/duration.pb.js';
export { Timestamp } from './gen/google/protobuf/timestamp.pb.js';
export { FieldMask } from './gen/google/protobuf/field_mask.pb.js';
