export * from './quotas.js';
export * from './rank.js';
export * from './stage-places.js';
