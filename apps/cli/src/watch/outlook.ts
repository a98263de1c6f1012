/** What comes: when a running campaign is done, and how many failures would halt it. Asked for beside, never waited for. */
import type { components } from '@drydock/api-client';
import type { Api } from '../api/connect.js';
import type { Campaign } from '../commands/campaign/sentences.js';
import type { Output } from '../output/output.js';

type Step = components['schemas']['BrakeTestBody']['staircase'][number];

const FORECAST_EVERY_MS = 120_000;
const BRAKE_EVERY_MS = 15_000;
const RUNS = 40;
const SHARE = 0.95;

export class Outlook {
  #words = '';
  #forecastAt = -Infinity;
  #refused = false;
  #brakeAt = -Infinity;
  #staircase: readonly Step[] = [];

  constructor(
    private readonly api: Api,
    private readonly out: Output,
    private readonly now: () => number,
  ) {}

  /** @returns what is known now; asks for more where it is time. */
  forecast(campaign: Campaign): string {
    if (campaign.state !== 'running') return '';
    if (!this.#refused && this.now() - this.#forecastAt > FORECAST_EVERY_MS) {
      this.#forecastAt = this.now();
      void this.#askForecast(campaign.id);
    }
    return this.#words;
  }

  /** Failures at which the campaign's own test rings, with so many tried. */
  haltsAt(campaign: Campaign): number | null {
    if (campaign.state !== 'running') return null;
    if (this.now() - this.#brakeAt > BRAKE_EVERY_MS) {
      this.#brakeAt = this.now();
      void this.#askBrake(campaign.id);
    }
    return failuresToHalt(this.#staircase, campaign.sums.known + campaign.sums.suspect);
  }

  async #askForecast(id: string): Promise<void> {
    try {
      // The rest of the campaign is rehearsed.
      const rehearsal = await this.api.ask(
        this.api.client.POST('/api/v1/campaigns/{id}/rehearsal', { params: { path: { id } }, body: { runs: RUNS } }),
      );
      const after = rehearsal.finish.find(({ share }) => share === SHARE)?.afterMs;
      const at = (ms: number): string => this.out.times.at(this.now() + ms);
      if (after === undefined || after.p50 === null) this.#words = 'no forecast: not before its deadline';
      else if (after.p10 === null || after.p90 === null) this.#words = `95 % done about ${at(after.p50)}`;
      else this.#words = `95 % done ${at(after.p10)}–${at(after.p90)} (8 in 10)`;
    } catch (error) {
      // A forecast is no reason to stop watching. Who may not ask is not asked again.
      this.#refused = (error as { status?: unknown }).status === 403;
      this.#words = this.#refused ? 'no forecast: it needs the role operator' : '';
    }
  }

  async #askBrake(id: string): Promise<void> {
    try {
      const brake = await this.api.ask(
        this.api.client.GET('/api/v1/campaigns/{id}/brake', { params: { path: { id } } }),
      );
      this.#staircase = brake.tests.find(({ test }) => test === 'campaign')?.staircase ?? [];
    } catch {
      this.#staircase = [];
    }
  }
}

/** @returns null where the staircase does not reach so far. */
export function failuresToHalt(staircase: readonly Step[], tried: number): number | null {
  return staircase.find(({ within }) => within >= tried)?.failures ?? null;
}
