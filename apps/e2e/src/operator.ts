/** An operator's hands: the public REST API and nothing else. Every answer is checked against the contract. */
import {
  Artifact,
  Campaign,
  DeploymentPage,
  PauseAnswer,
  type CampaignDraft,
  type Deployment,
  type Problem,
} from '@drydock/contracts';
import type { z } from 'zod';

/** The server said no: its problem document. */
export class RefusedByServer extends Error {
  constructor(
    readonly status: number,
    readonly problem: Partial<Problem>,
  ) {
    super(`${status} ${problem.code ?? ''}: ${problem.detail ?? ''} ${JSON.stringify(problem.errors ?? '')}`);
  }
}

export class Operator {
  constructor(
    readonly baseUrl: string,
    readonly token: string,
  ) {}

  /** @throws RefusedByServer for any status of 400 and above. */
  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<unknown> {
    const isForm = body instanceof FormData;
    const response = await fetch(this.baseUrl + path, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body !== undefined && !isForm ? { 'content-type': 'application/json' } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    const parsed = text === '' ? undefined : (JSON.parse(text) as unknown);
    if (response.status >= 400) throw new RefusedByServer(response.status, (parsed ?? {}) as Partial<Problem>);
    return parsed;
  }

  async upload(file: {
    bytes: Uint8Array;
    name: string;
    model: string;
    version?: string;
    runningVersion?: string;
    /** Running versions that it may follow. */
    follows?: readonly string[];
  }): Promise<z.infer<typeof Artifact>> {
    const form = new FormData();
    form.set('model', file.model);
    if (file.version !== undefined) form.set('version', file.version);
    if (file.runningVersion !== undefined) form.set('runningVersion', file.runningVersion);
    if (file.follows) form.set('requires', JSON.stringify({ runningVersions: file.follows }));
    form.set('file', new Blob([Uint8Array.from(file.bytes)]), file.name);
    return Artifact.parse(await this.call('POST', '/api/v1/artifacts', form));
  }

  async createSite(name: string, zone = 'UTC'): Promise<{ id: string; name: string }> {
    return (await this.call('POST', '/api/v1/sites', { name, zone })) as { id: string; name: string };
  }

  /** One use, one site: the token for one gateway. */
  async enrolmentToken(siteId: string): Promise<string> {
    const answer = (await this.call('POST', '/api/v1/enrolment-tokens', { site: siteId })) as { token: string };
    return answer.token;
  }

  async createCampaign(draft: z.input<typeof CampaignDraft>): Promise<Campaign> {
    return Campaign.parse(await this.call('POST', '/api/v1/campaigns', draft));
  }

  async startCampaign(id: string): Promise<Campaign> {
    return Campaign.parse(await this.call('POST', `/api/v1/campaigns/${id}/start`, {}));
  }

  async pauseCampaign(id: string, reason: string): Promise<PauseAnswer> {
    return PauseAnswer.parse(await this.call('POST', `/api/v1/campaigns/${id}/pause`, { reason }));
  }

  async resumeCampaign(id: string, reason: string): Promise<Campaign> {
    return Campaign.parse(await this.call('POST', `/api/v1/campaigns/${id}/resume`, { reason }));
  }

  async rollBackCampaign(id: string, reason: string): Promise<Campaign> {
    return Campaign.parse(await this.call('POST', `/api/v1/campaigns/${id}/rollback`, { reason }));
  }

  async campaign(id: string): Promise<Campaign> {
    return Campaign.parse(await this.call('GET', `/api/v1/campaigns/${id}`));
  }

  async deployments(campaignId: string): Promise<Deployment[]> {
    const items: Deployment[] = [];
    for (let after: string | undefined; ;) {
      const query = after === undefined ? '' : `&after=${encodeURIComponent(after)}`;
      const page = DeploymentPage.parse(
        await this.call('GET', `/api/v1/campaigns/${campaignId}/deployments?limit=500${query}`),
      );
      items.push(...page.items);
      if (page.next === undefined) return items;
      after = page.next;
    }
  }

  async devices(): Promise<{ id: string; model: string | null; identity: { kind: string; value: string } }[]> {
    const page = (await this.call('GET', '/api/v1/devices?limit=500')) as { items: never[] };
    return page.items;
  }
}

/** Polls until `check` gives something; bounded. A condition is awaited, never a time. */
export async function until<T>(
  what: string,
  withinMs: number,
  check: () => Promise<T | undefined | false>,
  everyMs = 200,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value !== undefined && value !== false) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() >= deadline) {
      throw new Error(`${what}: not within ${withinMs} ms${lastError ? ` (${String(lastError)})` : ''}`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
