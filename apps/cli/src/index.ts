/** The command line as a program is started by its bin; these are for those who start it. */
export { EXIT, EXIT_SENTENCES, type ExitStatus } from './exit-codes.js';
export { JSON_SCHEMA } from './output/output.js';
