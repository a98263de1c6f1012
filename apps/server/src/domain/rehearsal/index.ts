export * from './rehearsal-world.js';
export * from './rehearse.js';
export * from './rehearsal-run.js';
export * from './seeded-random.js';
export * from './window-calendar.js';
