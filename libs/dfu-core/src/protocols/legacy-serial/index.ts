export { legacySerial } from './session.js';
