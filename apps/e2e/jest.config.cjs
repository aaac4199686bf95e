const preset = require('../../jest.preset.cjs');

module.exports = {
  ...preset('e2e'),
  testEnvironment: '<rootDir>/test/harness/environment.cjs',
  setupFilesAfterEnv: ['<rootDir>/test/harness/set-timeout.cjs'],
};
