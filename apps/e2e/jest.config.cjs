const preset = require('../../jest.preset.cjs');

module.exports = { ...preset('e2e'), setupFilesAfterEnv: ['<rootDir>/test/harness/set-timeout.cjs'] };
