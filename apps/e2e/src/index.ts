export * from './agent-process.js';
export * from './operator.js';
export * from './packages.js';
export * from './simulated-site.js';
export * from './chaos.js';
export * from './fleet/fleet-ground.js';
export * from './fleet/fleet-run.js';
