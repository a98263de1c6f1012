export { silabsOta } from './session.js';
