export { applicationAddress, bootloaderAddress } from './addresses.js';
export { secureDfu } from './session.js';
