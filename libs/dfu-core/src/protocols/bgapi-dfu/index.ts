export { bgapiDfu } from './session.js';
