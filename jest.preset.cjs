// The processes of one run share its database servers, which end with this process: see libs/testing.
process.env.HERMES_TEST_RUN ??= `${process.pid}-${Date.now().toString(36)}`;

/** The Jest configuration of one project; sources are transformed by swc, never type-checked here. */
module.exports = (displayName) => ({
  displayName,
  testEnvironment: 'node',
  testMatch: ['<rootDir>/src/**/*.test.ts', '<rootDir>/test/**/*.test.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  testEnvironmentOptions: { customExportConditions: ['@hermes/source', 'node', 'require', 'default'] },
});
