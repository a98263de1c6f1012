/** The agent as a device of its own, where a launcher started it: what it is, how it is upgraded, and its trial. */
import type { KeyObject } from 'node:crypto';
import { AGENT_MODEL, DrydockError, drydockAgent, type AgentWho } from '@drydock/dfu-core';
import type { Clock } from '../clock.js';
import type { Attempt } from '../deployments/attempt.js';
import type { LinkFactory } from '../links/link-factory.js';
import type { Logger } from '../logger.js';
import type { ProtocolRegistry } from '../protocols.js';
import type { Site } from '../site/site-file.js';
import { AGENT_VERSION } from '../version.js';
import { confirm, fallBack, readLauncherState, writeLauncherState } from './launcher-state.js';
import { SELF_LINK, SelfLink, type SelfActions } from './self-link.js';
import { Staging } from './staging.js';
import { beginAnew, FallBackVerdict } from './fall-back-verdict.js';
import { AnswerWatch } from './server-reach.js';
import { Trial, type TrialFacts } from './trial.js';

export interface SelfUpgradeOptions {
  readonly stateDir: string;
  readonly gateway: string;
  /** Bundle that runs; undefined for what was installed beside the launcher. */
  readonly bundle: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly keys: () => readonly KeyObject[];
  facts(): Omit<TrialFacts, 'answered'>;
  /** Whether a server answers where ours should be. */
  serverAnswers(): Promise<boolean>;
  /** Stops the agent as a signal would, and has it started again. */
  restart(why: string): void;
  /** A trial is over: other devices may be touched. */
  proven(): void;
}

export class SelfUpgrade implements SelfActions {
  readonly #options: SelfUpgradeOptions;
  readonly #staging: Staging;
  readonly #trial: Trial | undefined;
  readonly #answers: AnswerWatch;
  /** Set where a version was left. */
  readonly #verdict: FallBackVerdict | undefined;

  constructor(options: SelfUpgradeOptions) {
    this.#options = options;
    this.#staging = new Staging(options.stateDir, platform(), options.keys);
    this.#leaveUncounted();
    const { trial, fellBack: fell } = readLauncherState(options.stateDir);
    this.#answers = new AnswerWatch(options.clock, () => options.serverAnswers());
    if (fell) {
      const acknowledged = (): boolean => options.facts().acknowledged >= 1;
      this.#verdict = new FallBackVerdict({ ...options, acknowledged }, fell);
    }
    if (!trial || trial.sha256 !== options.bundle) return;
    this.#trial = new Trial({
      state: trial,
      clock: options.clock,
      log: options.log,
      facts: () => ({ ...options.facts(), answered: this.#answers.answered }),
      confirm: () => this.#confirm(),
      fallBack: (why) => {
        this.#write((state) => fallBack(state, why));
        options.restart('the new version is left');
      },
    });
  }

  start(): void {
    if (this.#trial) this.#answers.start();
    this.#trial?.start();
    this.#verdict?.start();
  }

  async stop(): Promise<void> {
    this.#answers.stop();
    this.#trial?.stop();
    this.#verdict?.stop();
    await this.#staging.close();
  }

  get onTrial(): boolean {
    return this.#trial?.pending ?? false;
  }

  who(): AgentWho {
    const { gateway, bundle, stateDir } = this.#options;
    const { fellBack: fell } = readLauncherState(stateDir);
    const trial = this.#trial?.look();
    return {
      gateway,
      version: AGENT_VERSION,
      platform: platform(),
      ...(bundle !== undefined && { sha256: bundle }),
      ...(trial !== undefined && { trial }),
      ...(fell && { fellBack: { sha256: fell.sha256, why: fell.why, ...this.#verdict?.said } }),
    };
  }

  async stage(sha256: string, sizeBytes: number): Promise<void> {
    await this.#staging.begin(sha256, sizeBytes);
    beginAnew(this.#options.stateDir, sha256);
    this.#write((state) => (state.fellBack?.sha256 === sha256 ? { ...state, fellBack: null } : state));
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#staging.write(bytes);
  }

  async check(): Promise<void> {
    const { version } = await this.#staging.check();
    this.#options.log.info({ version }, 'a new version is staged');
  }

  activate(withinMs: number): void {
    const { checked } = this.#staging;
    if (!checked) throw new DrydockError('artifact.unsupported', { detail: 'no bundle was checked' });
    const links = this.#options
      .facts()
      .links.filter(({ link, state }) => state === 'up' && link !== SELF_LINK)
      .map(({ link }) => link);
    this.#write((state) => ({ ...state, trial: { ...checked, starts: 0, withinMs, links }, fellBack: null }));
    this.#options.log.warn({ version: checked.version, links: links.length }, 'a new version is started');
    // After the answer has left.
    setImmediate(() => this.#options.restart('a new version'));
  }

  fallBack(why: string): void {
    this.#trial?.giveUp(why);
  }

  /**
   * A trial whose start the launcher could not count was not begun, and this version goes on. Its attempt ends with that: a
   * start that could be counted days later would be no part of any.
   */
  #leaveUncounted(): void {
    const { bundle, log } = this.#options;
    try {
      this.#write((state) =>
        state.trial && state.trial.sha256 !== bundle ? fallBack(state, 'its start could not be written down') : state,
      );
    } catch (error) {
      log.error({ detail: (error as Error).message }, 'a trial that was not begun cannot be left');
    }
  }

  #confirm(): void {
    this.#write(confirm);
    this.#answers.stop();
    const { good } = readLauncherState(this.#options.stateDir);
    this.#staging
      .keepOnly(good ? [good.sha256] : [])
      .catch((error: Error) => this.#options.log.warn({ detail: error.message }, 'an old version was not removed'));
    this.#options.proven();
  }

  #write(change: (state: ReturnType<typeof readLauncherState>) => ReturnType<typeof readLauncherState>): void {
    const { stateDir } = this.#options;
    const before = readLauncherState(stateDir);
    const after = change(before);
    if (after !== before) writeLauncherState(stateDir, after);
  }
}

export const platform = (): string => `${process.platform}-${process.arch}`;

/** The site with the agent in it. */
export function siteWithSelf(site: Site): Site {
  const self = { name: 'agent', model: AGENT_MODEL, link: SELF_LINK, protocol: AGENT_MODEL, identity: undefined };
  return { ...site, devices: [...site.devices, self] };
}

export function protocolsWithSelf(protocols: ProtocolRegistry): ProtocolRegistry {
  return new Map([...protocols, [drydockAgent.name, drydockAgent]]);
}

/** @param self asked when the link is wanted. */
export function linksWithSelf(links: LinkFactory, self: () => SelfActions): LinkFactory {
  const link: LinkFactory['link'] = (name, protocol) =>
    name === SELF_LINK ? Promise.resolve(new SelfLink(self())) : links.link(name, protocol);
  // All the rest stays the factory's own.
  return Object.assign(Object.create(links) as LinkFactory, { link });
}

/**
 * Whether an attempt may take its turn. The agent is not replaced while any device is touched and not ended; once it is
 * its turn, nothing else is begun; and on trial only itself is looked after.
 */
export function mayTakeTurn(attempt: Attempt, all: readonly Attempt[], onTrial: boolean): boolean {
  const isSelf = ({ grant }: Attempt): boolean => grant.protocol === AGENT_MODEL;
  const isOpen = ({ phase, started }: Attempt): boolean =>
    phase === 'running' || (started && phase !== 'done' && phase !== 'withdrawn');
  const others = all.filter((other) => other !== attempt);
  if (isSelf(attempt)) return !others.some(isOpen);
  if (onTrial) return false;
  const self = others.find(isSelf);
  if (!self || (self.phase !== 'running' && self.phase !== 'ready')) return true;
  if (self.phase === 'running') return false;
  // It waits for what is open: that goes on. What waits for its device after a restart may take hours: nobody waits for it.
  return attempt.started || others.some((other) => other.started && !isSelf(other) && other.phase !== 'running');
}
