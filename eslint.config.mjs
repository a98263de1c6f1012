/**
 * Lint rules. The boundary rules keep the arrows of docs/architecture.md: contracts <- dfu-core <-
 * device-sim; apps meet only in contracts; no platform in the core; no framework in the domain.
 */
import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

/** @param proof tags that specs may use besides. @param allow packages that may be imported although they are apps. */
const boundaries = (proof, allow = []) => [
  'error',
  {
    enforceBuildableLibDependency: false,
    allowCircularSelfDependency: true,
    allow,
    // A room may load a heavy part of a library on demand while others import the rest.
    checkDynamicDependenciesExceptions: ['@drydock/.*'],
    depConstraints: [
      { sourceTag: 'layer:contracts', onlyDependOnLibsWithTags: ['layer:contracts', ...proof] },
      { sourceTag: 'layer:core', onlyDependOnLibsWithTags: ['layer:contracts', 'layer:core', ...proof] },
      { sourceTag: 'layer:sim', onlyDependOnLibsWithTags: ['layer:contracts', 'layer:core', 'layer:sim', ...proof] },
      { sourceTag: 'layer:client', onlyDependOnLibsWithTags: ['layer:contracts', ...proof] },
      { sourceTag: 'layer:app', onlyDependOnLibsWithTags: ['layer:contracts', 'layer:core', ...proof] },
      { sourceTag: 'layer:client-app', onlyDependOnLibsWithTags: ['layer:contracts', 'layer:core', 'layer:client', ...proof] },
      { sourceTag: 'layer:proof', onlyDependOnLibsWithTags: ['*'] },
    ],
  },
];

/** A list of import patterns with the sentence that explains them. */
const forbid = (group, message) => ({ patterns: [{ group, message }] });

export default tseslint.config(
  { ignores: ['**/dist/**', '**/out-tsc/**', '**/node_modules/**', '**/.drydock/**', '**/*.d.ts'] },
  ...tseslint.configs.recommended,
  {
    plugins: { '@nx': nx },
    languageOptions: { parserOptions: { projectService: true } },
    files: ['**/*.ts', '**/*.tsx'],
    rules: {
      '@nx/enforce-module-boundaries': boundaries([]),
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      eqeqeq: 'error',
      'no-console': 'off',
    },
  },
  {
    // Nest reads constructor parameter types at run time, so there a value import is meant.
    files: ['apps/server/**/*.ts'],
    rules: { '@typescript-eslint/consistent-type-imports': 'off' },
  },
  {
    files: ['libs/contracts/src/**/*.ts', 'libs/dfu-core/src/**/*.ts'],
    ignores: ['**/*.spec.ts', '**/*.fixture.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        forbid(
          ['node:*', 'fs', 'path', 'crypto', 'buffer', 'events', 'stream', 'os', 'net'],
          'This layer runs in Node and in browsers: no platform API.',
        ),
      ],
      'no-restricted-globals': [
        'error',
        'Buffer',
        'process',
        'window',
        'document',
        'setTimeout',
        'setInterval',
        'setImmediate',
      ],
    },
  },
  {
    files: ['apps/server/src/domain/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        forbid(
          [
            '@nestjs/*',
            'typeorm',
            'pg',
            'bullmq',
            'mqtt',
            'aedes',
            'ioredis',
            'node:*',
            '**/features/**',
            '**/adapters/**',
          ],
          'The domain is plain TypeScript: features call it, never the reverse.',
        ),
      ],
    },
  },
  {
    // Apps meet only in contracts; what proves them drives them through their declared entries.
    files: ['apps/e2e/**/*.ts', 'bench/**/*.ts', 'tools/**/*.ts'],
    rules: {
      '@nx/enforce-module-boundaries': boundaries(
        [],
        [
          '@drydock/server',
          '@drydock/server/testing',
          '@drydock/server/policy-mathematics',
          '@drydock/agent',
          '@drydock/agent/testing',
          '@drydock/e2e',
        ],
      ),
    },
  },
  {
    // Specs, and an app's declared testing entry, may use the simulated devices.
    files: ['libs/**/*.spec.ts', 'apps/{server,agent}/**/*.spec.ts', '**/*.fixture.ts', '**/testing.ts'],
    rules: { '@nx/enforce-module-boundaries': boundaries(['layer:sim']) },
  },
);
