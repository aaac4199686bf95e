// Loaded into a process before anything else (`node --require`): what it dials at an address that the file
// HERMES_TEST_DETOURS names (JSON: "host:port" to a port of this machine), it reaches by the detour.
const { readFileSync } = require('node:fs');
const { Socket } = require('node:net');

const detours = JSON.parse(readFileSync(process.env.HERMES_TEST_DETOURS, 'utf8'));
const { connect } = Socket.prototype;

Socket.prototype.connect = function (...args) {
  // What `net.connect` and all that is built on it call: `[options, listener]`.
  const [normalized] = args;
  if (Array.isArray(normalized)) {
    const { host, port } = normalized[0];
    const detour = detours[`${host}:${port}`];
    if (detour !== undefined) {
      normalized[0] = { ...normalized[0], host: '127.0.0.1', port: detour };
    }
  }
  return connect.apply(this, args);
};
