export { geckoXmodem } from './session.js';
