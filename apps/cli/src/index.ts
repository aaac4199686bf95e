export { runCli } from './program.js';
export { Terminal } from './terminal.js';
