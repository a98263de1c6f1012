/** The tree of commands. */
import { Command, CommanderError, type Option } from 'commander';
import { addArtifact } from './commands/artifact.js';
import { addAudit } from './commands/audit.js';
import { addCampaignPlan, addRehearse } from './commands/campaign/plan.js';
import { addCampaignShow } from './commands/campaign/show.js';
import { addCampaignAdjust } from './commands/campaign/adjust.js';
import { addCampaignSteer } from './commands/campaign/steer.js';
import { addCampaignStop } from './commands/campaign/stop.js';
import { addCampaignWatch } from './commands/campaign/watch.js';
import { addCampaignWhy } from './commands/campaign/why.js';
import { addCompletion } from './commands/completion.js';
import { addDevice } from './commands/device.js';
import { addExposure } from './commands/exposure.js';
import { addGateway } from './commands/gateway.js';
import { addSignIn } from './commands/sign-in.js';
import { addTopics, TOPICS } from './commands/topics.js';
import { addWebhook } from './commands/webhook.js';
import { EVERYWHERE, type Running } from './define.js';

export function makeProgram(running: Running): Command {
  const program = new Command('drydock')
    .description('Firmware campaigns over gateways: what runs where, what is under way, and stopping it')
    .helpOption('-h, --help', 'show this')
    .showSuggestionAfterError(true)
    .addHelpText('after', `\nTopics: drydock help ${Object.keys(TOPICS).join(' | ')}\nDocumentation: docs/cli.md`);

  addSignIn(program, running);
  addArtifact(program, running);
  addGateway(program, running);
  addDevice(program, running);
  const campaign = program.command('campaign').description('updates of many devices, in stages');
  addCampaignShow(campaign, running);
  addCampaignWhy(campaign, running);
  addCampaignPlan(campaign, running);
  addCampaignSteer(campaign, running);
  addCampaignAdjust(campaign, running);
  addCampaignStop(campaign, running);
  addCampaignWatch(campaign, running);
  addRehearse(program, running);
  addExposure(program, running);
  addAudit(program, running);
  addWebhook(program, running);
  addCompletion(program, running);
  addTopics(program, running);

  program.helpCommand('help [topic...]', 'show a command or a topic');
  quiet(program);
  return program;
}

/** Errors are thrown, and told in one way; help that was asked for goes to stdout. */
function quiet(command: Command): void {
  command.exitOverride((error) => {
    throw error;
  });
  // What only this command has comes first in its help.
  const isCommon = (option: Option): number => (option.helpGroupHeading === EVERYWHERE ? 1 : 0);
  (command.options as Option[]).sort((a, b) => isCommon(a) - isCommon(b));
  command.configureOutput({ writeErr: () => undefined, outputError: () => undefined });
  for (const each of command.commands) quiet(each);
}

/** What help says, where it was asked for or where a group was named without a verb. */
export function helpFor(program: Command, words: readonly string[]): string {
  const [topic = ''] = words;
  const page = words.length === 1 ? TOPICS[topic] : undefined;
  if (page) return `${page.join('\n')}\n`;
  let command = program;
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word);
    if (!next) {
      throw new CommanderError(2, 'commander.unknownTopic', `there is no command or topic ${words.join(' ')}`);
    }
    command = next;
  }
  return command.helpInformation();
}
