/**
 * What the site allows: quiet hours, batteries, devices in use, and hooks around each update (site file, `rules` and
 * `hooks`). A rule that cannot be evaluated stays shut (P11). What was started is finished, and a device without a running
 * application is rescued, whatever the rules say.
 */
import type { ErrorCode } from '@drydock/contracts';
import { AGENT_MODEL, DrydockError, type UpdateOutcome } from '@drydock/dfu-core';
import type { Clock } from '../clock.js';
import { hoursCover } from '../site/hours.js';
import { makeCall, type CallResult } from '../site/make-call.js';
import type { Site } from '../site/site-file.js';
import type { Call } from '../site/site-rules.js';
import type { Attempt, ShutRule } from './attempt.js';

export interface LocalRulesOptions {
  readonly site: Site;
  readonly clock: Clock;
  readonly time: { windowMs(): { readonly earliestMs: number; readonly latestMs: number } | undefined };
  /** An answer has come: look again what can be started. */
  changed(): void;
  /** For tests. */
  readonly call?: typeof makeCall;
}

/** "Free" is good for this long: from the answer to the start. */
const ANSWER_GOOD_MS = 5000;
/** Asked again after this while the answer is no. */
const ASK_AGAIN_MS = 30_000;

interface Asked {
  readonly atMs: number;
  /** Undefined while the answer is awaited. */
  shut: ShutRule | 'open' | undefined;
  /** The answer before this one. */
  readonly before: ShutRule | undefined;
}

export class LocalRules {
  readonly #options: LocalRulesOptions;
  readonly #asked = new Map<string, Asked>();
  readonly #stop = new AbortController();
  readonly #calls = new Set<Promise<void>>();

  constructor(options: LocalRulesOptions) {
    this.#options = options;
  }

  /** What keeps this attempt from starting now; undefined: nothing does. Asks in the background where that is needed. */
  shut(attempt: Attempt): ShutRule | undefined {
    if (attempt.started || attempt.grant.mode === 'rescue') return undefined;
    const { rules } = this.#options.site;
    if (rules.quietHours.length > 0) {
      const window = this.#options.time.windowMs();
      const covered = window && hoursCover(rules.quietHours, rules.zone, window.earliestMs, window.latestMs);
      if (covered !== 'none')
        return { code: 'site.quiet-hours', detail: covered ? 'quiet hours' : 'the time is not known' };
    }
    // The agent itself is neither in use by anybody nor runs from a battery that could be asked for.
    if (attempt.grant.model === AGENT_MODEL) return undefined;
    if (rules.battery) {
      const { ask, minPercent } = rules.battery;
      const answer = this.#ask(attempt, 'battery', ask, (result) => judgeBattery(result, minPercent));
      if (answer) return answer;
    }
    return rules.inUse && this.#ask(attempt, 'in-use', rules.inUse, (result) => judgeInUse(rules.inUse!, result));
  }

  /** @throws DrydockError `site.hook-before`, with what the hook said. */
  async before(attempt: Attempt): Promise<void> {
    const hook = this.#hooks(attempt)?.before;
    if (!hook) return;
    const signal = AbortSignal.any([this.#stop.signal, attempt.abort.signal]);
    const failure = failureOf(hook, await this.#call(hook, this.#facts(attempt, 'before'), signal));
    if (failure !== undefined) throw new DrydockError('site.hook-before', { detail: failure });
  }

  /** @returns what failed. The outcome of the update stays what it is. */
  async after(attempt: Attempt, outcome: UpdateOutcome): Promise<{ code: ErrorCode; detail: string } | undefined> {
    const hook = this.#hooks(attempt)?.after;
    if (!hook) return undefined;
    const facts = {
      ...this.#facts(attempt, 'after'),
      outcome: outcome.outcome,
      ...(outcome.outcome === 'failed' && { code: outcome.code }),
    };
    const failure = failureOf(hook, await this.#call(hook, facts, undefined));
    return failure === undefined ? undefined : { code: 'site.hook-after', detail: failure };
  }

  forget(attempt: Attempt): void {
    for (const what of ['battery', 'in-use']) this.#asked.delete(`${what} ${attempt.key}`);
  }

  /** Ends the questions that are open. Hooks that run have their own end. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled([...this.#calls]);
  }

  #ask(
    attempt: Attempt,
    what: 'battery' | 'in-use',
    call: Call,
    judge: (result: CallResult) => ShutRule | undefined,
  ): ShutRule | undefined {
    const { clock, changed } = this.#options;
    const key = `${what} ${attempt.key}`;
    const asked = this.#asked.get(key);
    const ageMs = clock.monotonicMs() - (asked?.atMs ?? 0);
    if (asked?.shut === 'open' && ageMs <= ANSWER_GOOD_MS) return undefined;
    const shut = asked?.shut === 'open' ? undefined : (asked?.shut ?? asked?.before);
    const waiting = asked !== undefined && asked.shut === undefined;
    const recent = asked !== undefined && asked.shut !== 'open' && ageMs < ASK_AGAIN_MS;
    if (!waiting && !recent && !this.#stop.signal.aborted) {
      const question: Asked = { atMs: clock.monotonicMs(), shut: undefined, before: shut };
      this.#asked.set(key, question);
      const answered = this.#call(call, this.#facts(attempt, what), this.#stop.signal).then((result) => {
        // The answer is as old as its end: it may have taken a while.
        this.#asked.set(key, { ...question, atMs: clock.monotonicMs(), shut: judge(result) ?? 'open' });
        this.#calls.delete(answered);
        changed();
      });
      this.#calls.add(answered);
    }
    return shut ?? { code: what === 'battery' ? 'site.battery' : 'site.in-use', detail: 'it is being asked' };
  }

  #call(call: Call, facts: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<CallResult> {
    const run = this.#options.call ?? makeCall;
    return run(call, facts, signal).catch((error: unknown): CallResult => ({
      kind: 'failed',
      detail: (error as Error).message.slice(0, 256),
    }));
  }

  #hooks(attempt: Attempt): ReturnType<Site['hooksOf']> {
    for (const link of attempt.grant.links) {
      const hooks = this.#options.site.hooksOf(attempt.grant.model, link);
      if (hooks) return hooks;
    }
    return undefined;
  }

  #facts(attempt: Attempt, event: string): Record<string, string> {
    const { grant } = attempt;
    return {
      event,
      device: grant.device,
      model: grant.model,
      identity: `${grant.identity.kind} ${grant.identity.value}`,
      links: grant.links.join(' '),
      deployment: grant.deployment,
      attempt: String(grant.attempt),
      mode: grant.mode,
      artifact: grant.artifact.sha256,
    };
  }
}

function judgeBattery(result: CallResult, minPercent: number): ShutRule | undefined {
  const code = 'site.battery';
  if (result.kind === 'failed') return { code, detail: result.detail };
  if (result.status !== 0 && result.status !== 200) return { code, detail: ended(result) };
  if (!/^\d{1,3}$/.test(result.said) || Number(result.said) > 100) {
    return { code, detail: `not a number of percent: ${result.said.slice(0, 64)}` };
  }
  return Number(result.said) >= minPercent ? undefined : { code, detail: `${result.said} of ${minPercent} %` };
}

/** A program: 0 is free, 1 is in use. An address: 200 and 204 are free, 409 is in use. Anything else is not known. */
function judgeInUse(call: Call, result: CallResult): ShutRule | undefined {
  const code = 'site.in-use';
  if (result.kind === 'failed') return { code, detail: `not known: ${result.detail}` };
  const [free, used] = 'command' in call ? [[0], 1] : [[200, 204], 409];
  if (free.includes(result.status)) return undefined;
  return { code, detail: result.status === used ? result.said || 'in use' : `not known: ${ended(result)}` };
}

function failureOf(hook: Call, result: CallResult): string | undefined {
  if (result.kind === 'failed') return result.detail;
  const good = 'command' in hook ? result.status === 0 : result.status >= 200 && result.status <= 299;
  return good ? undefined : ended(result);
}

function ended(result: CallResult & { kind: 'ended' }): string {
  return `status ${result.status}${result.said ? `: ${result.said}` : ''}`.slice(0, 256);
}
