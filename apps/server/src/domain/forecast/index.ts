export * from './draws.js';
export * from './parameters.js';
export * from './session-model.js';
export * from './shrinkage.js';
export * from './summary.js';
