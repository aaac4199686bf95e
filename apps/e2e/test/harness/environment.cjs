const { TestEnvironment } = require('jest-environment-node');

/** Tells the tests' processes of a failure: what they have said is then shown, see hermes-process.ts. */
module.exports = class extends TestEnvironment {
  handleTestEvent({ name }) {
    if (name === 'test_fn_failure' || name === 'hook_failure') {
      this.global.hermesTestFailed?.();
    }
  }
};
