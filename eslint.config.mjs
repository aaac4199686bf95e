import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

const drivers = ['@grpc/*', 'mysql2', 'mysql2/*', 'kafkajs', 'better-sqlite3', 'kysely', 'pino', 'prom-client'];

/** Who may import whom; `extra` layers are for tests alone. See docs/architecture.md. */
const layers = (extra = []) => {
  const may = (layer, allowed, banned = []) => ({
    sourceTag: `layer:${layer}`,
    onlyDependOnLibsWithTags: [...allowed, ...extra].map((name) => `layer:${name}`),
    ...(banned.length > 0 ? { bannedExternalImports: banned } : {}),
  });
  return {
    enforceBuildableLibDependency: true,
    banTransitiveDependencies: false,
    allow: [],
    depConstraints: [
      may('runtime', [], drivers),
      may(
        'contract',
        ['runtime'],
        drivers.filter((name) => name !== '@grpc/*'),
      ),
      may('domain', ['runtime'], drivers),
      may('port', ['runtime', 'domain'], drivers),
      may('kit', ['runtime', 'contract']),
      may('adapter', ['runtime', 'contract', 'domain', 'port', 'kit']),
      may('sdk', ['runtime', 'contract']),
      may('app', ['runtime', 'contract', 'domain', 'port', 'kit', 'adapter', 'sdk']),
      may('composition', ['runtime', 'contract', 'kit', 'sdk', 'app']),
      may('testing', []),
    ],
  };
};

export default tseslint.config(
  { ignores: ['**/dist/**', '**/out-tsc/**', '**/gen/**', '**/.venv/**', '**/*.cjs', '**/*.mjs'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    plugins: { '@nx': nx },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@nx/enforce-module-boundaries': ['error', layers()],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      // `as T` where an index is known to exist: the same rule set forbids `!`.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportAllDeclaration', message: 'Name what you export.' },
        { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
        { selector: 'TSEnumDeclaration', message: 'Use an `as const` object.' },
        {
          selector: "MemberExpression[object.name='process'][property.name='env']",
          message: 'The environment is read by the config loader only.',
        },
      ],
      'no-console': 'error',
      'no-process-exit': 'error',
      curly: ['error', 'all'],
      eqeqeq: ['error', 'always'],
      complexity: ['error', 12],
      'max-params': ['error', 4],
      'max-depth': ['error', 3],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // The pure libraries: every input is an argument, so that simulation can replay them.
    files: ['libs/coordination/src/**/*.ts', 'libs/delivery/src/**/*.ts', 'libs/filter/src/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...['Date', 'performance', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'crypto', 'process'],
      ],
      'no-restricted-properties': ['error', { object: 'Math', property: 'random' }],
    },
  },
  {
    files: ['**/*.test.ts', '**/test/**/*.ts'],
    rules: {
      '@nx/enforce-module-boundaries': ['error', layers(['testing', 'sdk', 'adapter'])],
      'max-lines-per-function': 'off',
      'max-lines': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
);
