/** `presence`: who is there, since which start, and which order it holds. */
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { PresenceBody } from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { BROKER, type Broker, type InboundMessage } from '../../adapters/mqtt/broker.port.js';
import { isNewer, judgePresence, withWitness, type EpochLife } from '../../domain/fleet/gateway-life.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { recordGatewayEvent } from '../webhooks/record-event.js';
import { CampaignMarker } from './campaign-marker.js';
import { FleetEvents } from './fleet-events.js';
import { GatewayLives, type LockedGateway } from './gateway-lives.js';
import { GatewayQueue } from './gateway-queue.js';
import { MessageCheck } from './message-check.js';

/** What is left to do once the transaction has committed. */
interface AfterCommit {
  readonly gateway: LockedGateway;
  readonly applied: boolean;
  readonly epochChanged: boolean;
  readonly cameOnline: boolean;
  readonly wentOffline: boolean;
  readonly heldChanged: boolean;
  readonly quarantined: boolean;
}

@Injectable()
export class PresenceHandler implements OnModuleInit {
  constructor(
    private readonly source: DataSource,
    private readonly check: MessageCheck,
    private readonly lives: GatewayLives,
    private readonly queue: GatewayQueue,
    private readonly marker: CampaignMarker,
    private readonly events: FleetEvents,
    @Inject(BROKER) private readonly broker: Broker,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  async onModuleInit(): Promise<void> {
    // Connections of the broker inside die with the server, and their last wills with them.
    if (this.broker.status().kind === 'embedded')
      await this.source.query('update gateways set online = false where online');
    this.broker.onInbound('presence', (message) => this.queue.run(message.gatewayId, () => this.handle(message)));
  }

  /** Resolves when what the message says is committed, or it was refused. */
  async handle(message: InboundMessage): Promise<void> {
    const checked = await this.check.open(message, 'presence', PresenceBody);
    if (!checked) return;
    const { epoch, body } = checked;
    const after = await inTransaction(this.source, async (tx) => {
      const gateway = await this.lives.lock(tx, message.gatewayId);
      if (!gateway || gateway.state === 'decommissioned') return undefined;
      return this.apply(tx, gateway, epoch, body);
    });
    if (after) await this.tell(after, epoch, body);
  }

  private async apply(
    tx: EntityManager,
    gateway: LockedGateway,
    epoch: string,
    body: PresenceBody,
  ): Promise<AfterCommit> {
    const lives = await this.lives.of(tx, gateway.id);
    const heardMs = await this.heardMs(tx, gateway.id, body);
    const stamp = { epoch, connection: body.connection, sequence: body.sequence, online: body.online, heardMs };
    const verdict = judgePresence(lives, gateway.epoch, stamp, gateway.nowMs);
    const own = lives.find((life) => life.epoch === epoch);
    const applied = verdict.kind === 'apply';
    await this.lives.save(tx, gateway.id, {
      ...withWitness(own, epoch, heardMs, gateway.nowMs),
      ...(applied && { wasLive: true }),
      ...newestNumbers(own, stamp),
    });

    const nothing = { epochChanged: false, cameOnline: false, wentOffline: false, heldChanged: false };
    if (verdict.kind === 'two-lives') {
      const quarantined = await this.quarantine(tx, gateway, epoch, verdict.other);
      return { gateway, applied, quarantined, ...nothing };
    }
    if (verdict.kind === 'late') return { gateway, applied, quarantined: false, ...nothing };
    if (verdict.epochChanged) await this.begin(tx, gateway, epoch, body);
    await tx.query(
      `update gateways set connection = $2, presence_sequence = $3, online = $4, agent_version = $5, protocols = $6,
         links = $7, wire = $8, held_reign = $9, held_revision = $10, last_seen_at = clock_timestamp(),
         ${['clock_offset_ms = $11', 'journal_bytes = $12', 'journal_entries = $13'].map(saidOrKept).join(', ')}
       where id = $1`,
      [
        gateway.id,
        body.connection,
        body.sequence,
        body.online,
        body.agentVersion,
        body.protocols,
        JSON.stringify(body.links),
        body.wire,
        body.held.reign,
        body.held.revision,
        body.clockOffsetMs ?? null,
        body.journalBytes ?? null,
        body.journalEntries ?? null,
      ],
    );
    await tx.query(
      'update gateway_epochs set held_reign = $3, held_revision = $4 where gateway_id = $1 and epoch = $2',
      [gateway.id, epoch, body.held.reign, body.held.revision],
    );
    return {
      gateway,
      applied,
      quarantined: false,
      epochChanged: verdict.epochChanged,
      cameOnline: body.online && (!gateway.online || verdict.epochChanged),
      wentOffline: !body.online && gateway.online,
      heldChanged: body.held.reign !== gateway.held.reign || body.held.revision !== gateway.held.revision,
    };
  }

  /**
   * The newest moment of our clock that the sender knew: what it says itself, or, when it holds the order that is the
   * newest, when that was made.
   */
  private async heardMs(tx: EntityManager, gatewayId: string, body: PresenceBody): Promise<number | null> {
    const [order] = await queryRows<{ built_ms: number | null }>(
      tx,
      `select (extract(epoch from built_at) * 1000)::float8 as built_ms from orders
       where gateway_id = $1 and reign = $2 and revision = $3 and revision > 0`,
      [gatewayId, body.held.reign, body.held.revision],
    );
    const known = [body.heardMs, order?.built_ms].filter((ms): ms is number => typeof ms === 'number');
    return known.length === 0 ? null : Math.max(...known);
  }

  private async begin(tx: EntityManager, gateway: LockedGateway, epoch: string, body: PresenceBody): Promise<void> {
    await this.lives.begin(tx, gateway.id, epoch);
    await this.audit.record(tx, {
      orgId: gateway.orgId,
      actor: { kind: 'gateway', id: gateway.id, name: gateway.name },
      action: 'gateway.epoch-began',
      target: { kind: 'gateway', id: gateway.id },
      params: { epoch, before: gateway.epoch, agentVersion: body.agentVersion },
    });
  }

  private async quarantine(tx: EntityManager, gateway: LockedGateway, epoch: string, other: string): Promise<boolean> {
    const note = `Two agents use its key: epochs ${other.slice(0, 8)} and ${epoch.slice(0, 8)} lived at the same moment.`;
    const changed = await queryRows(
      tx,
      `update gateways set state = 'quarantined', state_note = $2, revision = revision + 1
       where id = $1 and state = 'active' returning 1`,
      [gateway.id, note],
    );
    if (changed.length === 0) return false;
    await recordGatewayEvent(tx, gateway.id, 'gateway.quarantined', note);
    await this.audit.record(tx, {
      orgId: gateway.orgId,
      actor: { kind: 'rule', name: 'two-live-epochs' },
      action: 'gateway.quarantined',
      target: { kind: 'gateway', id: gateway.id },
      params: { epoch, other },
    });
    return true;
  }

  private async tell(after: AfterCommit, epoch: string, body: PresenceBody): Promise<void> {
    const { gateway } = after;
    const event = { orgId: gateway.orgId, siteId: gateway.siteId, gatewayId: gateway.id };
    if (after.quarantined) {
      await this.broker.disconnect(gateway.id);
      this.events.emit('gatewayChanged', { ...event, state: 'quarantined' });
    }
    if (after.quarantined || after.cameOnline || after.wentOffline || after.heldChanged) {
      await this.marker.markGateway(gateway.id);
    }
    if (!after.applied) return;
    if (after.cameOnline) this.events.emit('gatewayOnline', { ...event, epoch, epochChanged: after.epochChanged });
    if (after.wentOffline) this.events.emit('gatewayOffline', { ...event, epoch });
    this.events.emit('presenceHeld', { ...event, epoch, ...body.held });
  }
}

/** A last will was written when its connection began and knows nothing newer: what was said before it stays. */
function saidOrKept(assignment: string): string {
  const [column, param] = assignment.split(' = ');
  return `${column} = case when $4 then ${param}::bigint else coalesce(${param}::bigint, ${column}) end`;
}

/** Numbers only grow; those of a message that came too late to be applied count as handled too. */
function newestNumbers(
  own: EpochLife | undefined,
  stamp: { connection: number; sequence: number },
): Pick<EpochLife, 'connection' | 'sequence'> {
  const { connection, sequence } = own && !isNewer(stamp, own) ? own : stamp;
  return { connection, sequence };
}
