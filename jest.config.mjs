import { availableParallelism } from 'node:os';

/** One Jest run over all projects, as native ES modules. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/libs', '<rootDir>/apps', '<rootDir>/tools', '<rootDir>/bench'],
  testMatch: ['**/*.spec.ts'],
  modulePathIgnorePatterns: ['/dist/', '/out-tsc/', '/.drydock/'],
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironmentOptions: { customExportConditions: ['@drydock/source', 'node', 'node-addons'] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        module: { type: 'es6' },
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
      },
    ],
  },
  // The stories wait for devices and clocks about half of their time: one more than there are cores keeps those busy.
  maxWorkers: Math.min(4, availableParallelism() + 1),
  // On a machine that is busy; a test that hangs is still found.
  testTimeout: 30_000,
  testSequencer: '<rootDir>/tools/longest-first.mjs',
  workerIdleMemoryLimit: '400MB',
};
