module.exports = {
  projects: ['<rootDir>/libs/*/jest.config.cjs', '<rootDir>/apps/*/jest.config.cjs'],
  // Against hanging for ever, not to measure anything: machines are slow at times.
  testTimeout: 30_000,
};
