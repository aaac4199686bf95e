import { type GroupPump } from './group-pump.js';
import { type Partition } from './partition.js';

/** A group where it is served. */
export interface GroupInPartition {
  readonly partition: Partition;
  readonly pump: GroupPump;
}
