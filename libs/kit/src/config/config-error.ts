import { EXIT_CODE, ExitError } from '../exit-code.js';

/** Everything that is wrong with a configuration, each problem naming its setting where it was given. */
export class ConfigError extends ExitError {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const [first] = problems;
    super(
      EXIT_CODE.CONFIG,
      problems.length === 1 && first !== undefined
        ? `the configuration cannot work: ${first}`
        : `the configuration cannot work:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    );
    this.problems = problems;
  }
}
