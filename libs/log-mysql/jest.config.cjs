module.exports = require('../../jest.preset.cjs')('log-mysql');
