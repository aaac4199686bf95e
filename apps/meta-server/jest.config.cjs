module.exports = require('../../jest.preset.cjs')('meta-server');
