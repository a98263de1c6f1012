/** The campaign's mathematics, for benches and tools that run it over simulated fleets. */
export * from './brake/index.js';
export * from './forecast/index.js';
export * from './pace/index.js';
export * from './rates/index.js';
export * from './selection/index.js';
export * from './campaign/choose-grants.js';
