module.exports = require('../../jest.preset.cjs')('log-kafka');
