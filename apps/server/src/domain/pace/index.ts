export * from './exposure.js';
export * from './lease.js';
export * from './pause-number.js';
export * from './rate.js';
export * from './spread-grants.js';
