import { parentPort } from 'node:worker_threads';

import { invariant } from '@hermes/runtime';

import { ShardLoop } from './shard-loop.js';

// The entry of a shard's thread: see ShardLoop.
invariant(parentPort !== null, 'started as a worker thread');
new ShardLoop(parentPort).start();
