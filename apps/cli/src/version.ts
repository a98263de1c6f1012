/** The version of this command line; a bundle has its own put in here. */
export const CLI_VERSION = '0.1.0';
