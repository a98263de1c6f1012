/** `help TOPIC`, `version`. */
import type { Command } from 'commander';
import { look, type Running } from '../define.js';
import { EXIT_SENTENCES } from '../exit-codes.js';
import { JSON_SCHEMA } from '../output/output.js';
import { CLI_VERSION } from '../version.js';

/** Pages beside the commands; docs/cli.md says more. */
export const TOPICS: Readonly<Record<string, readonly string[]>> = {
  'exit-codes': ['Exit codes', '', ...EXIT_SENTENCES.map(([code, words]) => `${String(code).padStart(5)}  ${words}`)],
  filters: [
    'Filters over devices (--where, devices.where of a campaign file)',
    '',
    "  model==sensor-*;version<1.4.0;(site=in=(berlin,'new york'),tag==floor:3)",
    '',
    '; or and: both; , or or: one of both; and binds closer.',
    'Fields: model version tag site gateway group link lastSeen battery signal device name hold',
    'Devices of a campaign also: state stage code from (what it ran before). Campaigns (campaign ls):',
    '  name state live model version stage owner note artifact',
    'Equality: == != =in=(a,b) =out=(a,b); order: < <= > >=; version also =range=">=1.2 <2".',
    '* stands for anything. The server says where a filter is wrong:',
    '',
    "  drydock device ls --count --where 'FILTER'",
  ],
  files: [
    'Campaign files',
    '',
    '  drydock campaign plan  -f campaign.yaml   look; nothing is saved',
    '  drydock campaign apply -f campaign.yaml   save as a draft; again: no change',
    '  drydock campaign export NAME -o FILE      a stored campaign as a file',
    '  drydock campaign schema > campaign.schema.json   for editors',
  ],
  settings: [
    'Settings: flag, else environment, else context, else default',
    '',
    '  $XDG_CONFIG_HOME/drydock/config.yaml        contexts: server, output, timeZone (0600)',
    '  $XDG_CONFIG_HOME/drydock/credentials.yaml   tokens (0600)',
    '',
    '  DRYDOCK_SERVER       address of the server',
    '  DRYDOCK_CONTEXT      context to use',
    '  DRYDOCK_TOKEN_FILE   file with an API token (0600)',
    '  DRYDOCK_TOKEN        the token itself, for CI',
    '  DRYDOCK_OUTPUT       table or json',
    '  DRYDOCK_NO_INPUT     ask nothing',
    '  NO_COLOR, PAGER, HTTPS_PROXY, HTTP_PROXY, NO_PROXY',
  ],
  scripts: [
    'For scripts',
    '',
    `Every command takes --json. An answer is one object with "schema": "${JSON_SCHEMA}"; a list is an array of them;`,
    'campaign watch writes one object a line. Fields are added, never taken away.',
    'Errors are one object on stderr: {"error": {code, message, fix, requestId, exit, problems}}.',
    'Codes are stable, sentences are not. --no-input asks nothing.',
  ],
};

export function addTopics(program: Command, running: Running): void {
  look(program, running, 'version', 'the version of this command line', (cli) => {
    cli.out.answer({ version: CLI_VERSION, node: process.versions.node }, () => [`drydock ${CLI_VERSION}`]);
    return Promise.resolve();
  });
}
