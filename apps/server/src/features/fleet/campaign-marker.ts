/**
 * Marks campaigns as dirty after something changed at gateways: the engine looks at marked ones. Called after the
 * commit of the change; marks of many gateways that come at once are written together, since each waits for the row of
 * the campaign, which a tick may hold.
 */
import { Injectable } from '@nestjs/common';
import { LIVE_DEPLOYMENT_STATES } from '@drydock/contracts';
import { DataSource } from 'typeorm';

const LIVE_CAMPAIGNS = ['scheduled', 'running', 'paused', 'halted', 'aborting'];

@Injectable()
export class CampaignMarker {
  private waiting = new Set<string>();
  private flushing: Promise<void> | undefined;

  constructor(private readonly source: DataSource) {}

  /** Resolves when every live campaign with a planned or live deployment at the gateway is marked. */
  async markGateway(gatewayId: string): Promise<void> {
    this.waiting.add(gatewayId);
    // A flush that runs already may have taken its set before this one was added: wait for the one after it.
    if (this.flushing) await this.flushing.catch(() => undefined);
    if (!this.waiting.has(gatewayId)) return this.flushing;
    this.flushing ??= this.flush().finally(() => {
      this.flushing = undefined;
    });
    return this.flushing;
  }

  private async flush(): Promise<void> {
    const gateways = [...this.waiting];
    this.waiting = new Set();
    try {
      await this.source.query(
        `update campaigns set dirty = true where id in (
           select id from campaigns where state = any($2) and id in (
             select p.campaign_id from deployments p join devices v on v.id = p.device_id
             where v.gateway_id = any($1::uuid[]) and p.state = 'planned'
             union
             select l.campaign_id from deployments l where l.gateway_id = any($1::uuid[]) and l.state = any($3)
           ) order by id for update)`,
        [gateways, LIVE_CAMPAIGNS, LIVE_DEPLOYMENT_STATES],
      );
    } catch (error) {
      for (const gateway of gateways) this.waiting.add(gateway);
      throw error;
    }
  }
}
