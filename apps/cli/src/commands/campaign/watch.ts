/** `campaign watch`. */
import type { Command } from 'commander';
import { findCampaign } from '../../api/find.js';
import type { Cli } from '../../cli.js';
import { look, type Running } from '../../define.js';
import { CliError } from '../../errors/cli-error.js';
import { EXIT, type ExitStatus } from '../../exit-codes.js';
import { utc } from '../../output/format.js';
import { factLine, frameLines } from '../../watch/frame.js';
import { isOver, isReached, parseGoal, statusOf, waitsForPerson, type Goal } from '../../watch/goal.js';
import { liveCampaign, type Live } from '../../watch/live-campaign.js';
import { Outlook } from '../../watch/outlook.js';
import { Screen } from '../../watch/screen.js';
import { notKnown, stageNow, type Campaign } from './sentences.js';
import { factsOf } from './show.js';

const LINE_EVERY_MS = 60_000;

interface WatchFlags {
  readonly until: string;
  readonly exitStatus?: boolean;
}

export function addCampaignWatch(campaign: Command, running: Running): void {
  look<WatchFlags>(campaign, running, 'watch <name>', 'follow a campaign; it goes on when you stop', watch, 'campaign')
    .option('--until <what>', 'running, stage:N or ended', 'ended')
    .option('--exit-status', 'end when it ended or waits for a person, with a status that says how');
}

/** How what is seen is shown. */
interface Viewer {
  campaign(campaign: Campaign): void;
  decision(decision: string, params: Readonly<Record<string, unknown>>): void;
  away(): void;
  close(last: Campaign | undefined): void;
}

async function watch(cli: Cli, [name = '']: string[], flags: WatchFlags): Promise<ExitStatus> {
  const goal = parseGoal(flags.until);
  const api = await cli.patientApi();
  const id = await findCampaign(api, name);
  const limit = cli.settings.timeoutMs;
  const stop = new AbortController();
  const timeout = limit === undefined ? undefined : setTimeout(() => stop.abort('timeout'), limit);
  const interrupt = () => stop.abort('interrupted');
  cli.interrupted.signal.addEventListener('abort', interrupt);
  const viewer =
    cli.out.isTerminal && !cli.out.json
      ? new TerminalViewer(cli, new Outlook(api, cli.out, cli.around.now))
      : new LineViewer(cli);
  let last: Campaign | undefined;
  try {
    for await (const seen of liveCampaign(api, id, stop.signal)) {
      show(viewer, seen);
      if (seen.kind !== 'campaign') continue;
      last = seen.campaign;
      if (isReached(goal, last) || (flags.exitStatus === true && waitsForPerson(last)) || cli.out.isBroken) {
        viewer.close(last);
        return flags.exitStatus === true ? statusOf(last, goal) : EXIT.done;
      }
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    clearTimeout(timeout);
    cli.interrupted.signal.removeEventListener('abort', interrupt);
    stop.abort();
    viewer.close(last);
  }
  return stopped(cli, name, stop.signal.reason === 'timeout', goal);
}

function stopped(cli: Cli, name: string, byTimeout: boolean, goal: Goal): ExitStatus {
  if (byTimeout) {
    const what = goal.kind === 'stage' ? `stage ${goal.number}` : goal.kind;
    throw new CliError(
      'watch.timeout',
      EXIT.ownTimeout,
      `${name} was not ${what} in the time given. The campaign goes on.`,
      {
        fix: `drydock campaign watch ${name}`,
      },
    );
  }
  cli.out.say('Stopped watching; the campaign goes on.');
  return EXIT.interrupted;
}

function show(viewer: Viewer, seen: Live): void {
  if (seen.kind === 'campaign') viewer.campaign(seen.campaign);
  else if (seen.kind === 'decision') viewer.decision(seen.decision, seen.params);
  else viewer.away();
}

/** States and stages: what is worth a line of its own. */
const shapeOf = (campaign: Campaign): string =>
  JSON.stringify([campaign.state, campaign.stages.map((stage) => stage.state)]);

/** Given and withdrawn grants are many, and the numbers show them. */
const isRoutine = (decision: string): boolean => decision.startsWith('grants.');

class LineViewer implements Viewer {
  #shape = '';
  #lineAt = -Infinity;
  #closed = false;

  constructor(private readonly cli: Cli) {}

  campaign(campaign: Campaign): void {
    const shape = shapeOf(campaign);
    const now = this.cli.around.now();
    if (shape === this.#shape && now - this.#lineAt < LINE_EVERY_MS) return;
    this.#shape = shape;
    this.#lineAt = now;
    this.#line(campaign);
  }

  decision(decision: string, params: Readonly<Record<string, unknown>>): void {
    const { out, around } = this.cli;
    if (isRoutine(decision)) return;
    if (out.json) out.object({ at: new Date(around.now()).toISOString(), event: 'decision', decision, params });
    else around.stdout.write(`${utc(around.now())} decision ${decision} ${factsOf(params)}\n`);
  }

  away(): void {
    this.cli.out.say(`${utc(this.cli.around.now())} the server does not answer; trying again`);
  }

  close(last: Campaign | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    if (last && isOver(last) && shapeOf(last) !== this.#shape) this.#line(last);
  }

  #line(campaign: Campaign): void {
    const { out, around } = this.cli;
    if (!out.json) {
      around.stdout.write(`${utc(around.now())} ${factLine(campaign)}\n`);
      return;
    }
    const stage = stageNow(campaign);
    const { sums, exposure } = campaign;
    out.object({
      at: new Date(around.now()).toISOString(),
      event: 'campaign',
      campaign: campaign.name,
      state: campaign.state,
      stage: stage ?? null,
      proven: sums.proven,
      of: sums.total,
      failed: sums.failed,
      reverted: sums.reverted,
      failureShare: sums.failureShare,
      notKnown: notKnown(sums),
      running: sums.running,
      waiting: sums.planned,
      mayStillStart: exposure?.mayStillStart ?? 0,
      noneAfter: exposure ? new Date(exposure.noneAfter).toISOString() : null,
    });
  }
}

class TerminalViewer implements Viewer {
  readonly #screen: Screen;
  #campaign: Campaign | undefined;
  #oldSince: number | undefined;
  #seenAt: number;
  #state = '';
  #closed = false;

  constructor(
    private readonly cli: Cli,
    private readonly outlook: Outlook,
  ) {
    this.#screen = new Screen(cli.around.stdout);
    this.#seenAt = cli.around.now();
    cli.out.say('Ctrl-C stops watching; the campaign goes on.');
  }

  campaign(campaign: Campaign): void {
    this.#campaign = campaign;
    this.#oldSince = undefined;
    this.#seenAt = this.cli.around.now();
    if (this.#state !== '' && this.#state !== campaign.state)
      this.#screen.line(`${this.cli.out.times.at(this.#seenAt)}  ${this.#state} → ${campaign.state}`);
    this.#state = campaign.state;
    this.#draw();
  }

  decision(decision: string, params: Readonly<Record<string, unknown>>): void {
    if (isRoutine(decision)) return;
    const text = `${this.cli.out.times.at(this.cli.around.now())}  ${decision}  ${factsOf(params)}`;
    const columns = this.cli.around.stdout.columns ?? 80;
    this.#screen.line(text.length < columns ? text : `${text.slice(0, columns - 2)}…`);
  }

  away(): void {
    this.#oldSince ??= this.#seenAt;
    this.#draw();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#screen.close();
  }

  #draw(): void {
    if (!this.#campaign) return;
    const facts = {
      campaign: this.#campaign,
      forecast: this.outlook.forecast(this.#campaign),
      haltsAt: this.outlook.haltsAt(this.#campaign),
      oldSince: this.#oldSince,
    };
    this.#screen.show(frameLines(this.cli.out, facts, this.cli.around.stdout.columns ?? 80));
  }
}
