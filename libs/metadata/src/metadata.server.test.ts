import { describeMetadata } from '../test/describe-metadata.js';
import { describeServers } from '../test/test-database.js';

describeServers(describeMetadata);
