export { registerCodecs } from './codecs.js';
