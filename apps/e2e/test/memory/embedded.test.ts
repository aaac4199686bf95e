import { describeMemory } from './memory-suite.js';

describeMemory('embedded storage', () => Promise.resolve({}));
