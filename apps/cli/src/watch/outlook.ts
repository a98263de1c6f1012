/** What comes: when a running campaign is done, and how many failures would halt it. Asked for beside, never waited for. */
import type { components } from '@drydock/api-client';
import type { CampaignForecast } from '@drydock/contracts';
import type { Api } from '../api/connect.js';
import type { Campaign } from '../commands/campaign/sentences.js';
import type { Output } from '../output/output.js';

type Forecast = Pick<CampaignForecast, 'at' | 'p10' | 'p50' | 'p90' | 'sentence'>;
type Step = components['schemas']['BrakeTestBody']['staircase'][number];

const FORECAST_EVERY_MS = 30_000;
const BRAKE_EVERY_MS = 15_000;

export class Outlook {
  #words = '';
  #forecastAt = -Infinity;
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
    if (this.now() - this.#forecastAt > FORECAST_EVERY_MS) {
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
      const found = await this.api.ask(
        this.api.client.GET('/api/v1/campaigns/{id}/forecast', { params: { path: { id } } }),
      );
      this.#words = forecastWords(this.out, found);
    } catch {
      // A forecast is no reason to stop watching.
      this.#words = '';
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

/** When 95 % of what is in reach is done; a quantile that is not there lies behind the deadline. */
export function forecastWords(out: Output, forecast: Forecast): string {
  const { at, p10, p50, p90, sentence } = forecast;
  if (at === null) return `no forecast: ${sentence}`;
  if (p50 === null) return 'no forecast: not before its deadline';
  if (p10 === null || p90 === null) return `95 % done about ${out.times.at(p50)}`;
  return `95 % done ${out.times.at(p10)}–${out.times.at(p90)} (8 in 10)`;
}

/** @returns null where the staircase does not reach so far. */
export function failuresToHalt(staircase: readonly Step[], tried: number): number | null {
  return staircase.find(({ within }) => within >= tried)?.failures ?? null;
}
