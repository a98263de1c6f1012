export * from './exposure.js';
export * from './lease.js';
export * from './rate.js';
