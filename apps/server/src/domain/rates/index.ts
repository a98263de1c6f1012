export * from './failure-rates.js';
export * from './quantiles.js';
export * from './wilson.js';
export * from './gathering.js';
