export * from './failure-rates.js';
export * from './quantiles.js';
export * from './wilson.js';
export * from './gathering.js';
export * from './difference.js';
