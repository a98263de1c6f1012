export { tiOad } from './session.js';
