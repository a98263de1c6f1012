export { legacyDfu } from './session.js';
