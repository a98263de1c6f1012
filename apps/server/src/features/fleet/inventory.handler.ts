/** `inventory`: which devices a gateway sees, what they run, and bootloaders that nobody knows. */
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { InventoryBody, type InventoryDevice } from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { BROKER, type Broker, type InboundMessage } from '../../adapters/mqtt/broker.port.js';
import { identityKey, identityScope, judgeClaim, type ClaimMode } from '../../domain/fleet/claim.js';
import { judgeInventory, withWitness } from '../../domain/fleet/gateway-life.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { CampaignMarker } from './campaign-marker.js';
import { DeviceSightings, type SeenDevice } from './device-sightings.js';
import { FleetEvents } from './fleet-events.js';
import { GatewayLives, type LockedGateway } from './gateway-lives.js';
import { GatewayQueue } from './gateway-queue.js';
import { MessageCheck } from './message-check.js';
import { StraySightings } from './stray-sightings.js';

interface KnownDevice {
  readonly id: string;
  readonly site_id: string;
  readonly identity_kind: string;
  readonly identity_value: string;
  readonly identity_scope: string;
}

@Injectable()
export class InventoryHandler implements OnModuleInit {
  constructor(
    private readonly source: DataSource,
    private readonly check: MessageCheck,
    private readonly lives: GatewayLives,
    private readonly queue: GatewayQueue,
    private readonly sightings: DeviceSightings,
    private readonly strays: StraySightings,
    private readonly marker: CampaignMarker,
    private readonly events: FleetEvents,
    @Inject(BROKER) private readonly broker: Broker,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  onModuleInit(): void {
    this.broker.onInbound('inventory', (message) => this.queue.run(message.gatewayId, () => this.handle(message)));
  }

  /** Resolves when what the message says is committed, or it was refused. */
  async handle(message: InboundMessage): Promise<void> {
    const checked = await this.check.open(message, 'inventory', InventoryBody);
    if (!checked) return;
    const done = await inTransaction(this.source, async (tx) => {
      const gateway = await this.lives.lock(tx, message.gatewayId);
      // A gateway that is not trusted may not say what runs on devices.
      if (!gateway || gateway.state !== 'active') return undefined;
      const run = await this.admit(tx, gateway, checked.epoch, checked.body.sequence);
      if (!run) return undefined;
      const devices = await this.bind(tx, gateway, checked.body.devices);
      const changed = await this.sightings.apply(tx, gateway, run, devices);
      await this.strays.apply(tx, gateway, checked.body.strays);
      return { gateway, changed, appeared: devices.some(({ isNew }) => isNew) };
    });
    if (!done || done.changed.length === 0) return;
    const { gateway, changed, appeared } = done;
    await this.marker.markGateway(gateway.id);
    this.events.emit('inventoryChanged', {
      orgId: gateway.orgId,
      siteId: gateway.siteId,
      gatewayId: gateway.id,
      deviceIds: changed,
      appeared,
    });
  }

  /** @returns undefined for a message that is late. */
  private async admit(
    tx: EntityManager,
    gateway: LockedGateway,
    epoch: string,
    sequence: number,
  ): Promise<{ epoch: string; earlierEpochs: ReadonlySet<string> } | undefined> {
    const lives = await this.lives.of(tx, gateway.id);
    const verdict = judgeInventory(lives, gateway.epoch, gateway.inventory, { epoch, sequence });
    if (verdict.kind === 'late') return undefined;
    if (verdict.epochChanged) {
      const own = lives.find((life) => life.epoch === epoch);
      await this.lives.save(tx, gateway.id, { ...withWitness(own, epoch, null, gateway.nowMs), wasLive: true });
      await this.lives.begin(tx, gateway.id, epoch);
    }
    await tx.query(
      `update gateways set inventory_epoch = $2, inventory_sequence = $3, last_seen_at = clock_timestamp() where id = $1`,
      [gateway.id, epoch, sequence],
    );
    const earlier = lives.filter((life) => life.wasLive && life.epoch !== epoch);
    return { epoch, earlierEpochs: new Set(earlier.map((life) => life.epoch)) };
  }

  /** Ties what was seen to devices of the gateway's site; new ones are made, claims of others are written down. */
  private async bind(
    tx: EntityManager,
    gateway: LockedGateway,
    devices: readonly InventoryDevice[],
  ): Promise<SeenDevice[]> {
    // The last word of a message about one unit counts; in one order always, so that two messages cannot deadlock.
    const seen = new Map<string, { device: InventoryDevice; scope: string }>();
    for (const device of devices) {
      const scope = identityScope(device.identity.kind, { gatewayId: gateway.id, siteId: gateway.siteId });
      seen.set(identityKey(device.identity, scope), { device, scope });
    }
    if (seen.size === 0) return [];
    const keys = [...seen.keys()].sort();
    const [site] = await queryRows<{ claim_mode: ClaimMode }>(tx, 'select claim_mode from sites where id = $1', [
      gateway.siteId,
    ]);
    const identities = JSON.stringify(
      keys.map((key) => ({ ...seen.get(key)!.device.identity, scope: seen.get(key)!.scope })),
    );
    const known = new Map(
      (await this.known(tx, gateway.orgId, identities)).map((row) => [
        identityKey({ kind: row.identity_kind, value: row.identity_value }, row.identity_scope),
        row,
      ]),
    );
    const listed = await this.listed(tx, gateway.siteId, identities);

    const bound: SeenDevice[] = [];
    for (const key of keys) {
      const { device, scope } = seen.get(key)!;
      const row = known.get(key);
      const line = listed.get(JSON.stringify([device.identity.kind, device.identity.value]));
      const verdict = judgeClaim(gateway.siteId, site!.claim_mode, line !== undefined, row && { siteId: row.site_id });
      if (verdict.kind === 'foreign') await this.claim(tx, gateway, row!.id);
      else if (verdict.kind === 'own') bound.push({ id: row!.id, isNew: false, seen: device });
      else bound.push({ ...(await this.create(tx, gateway, device, scope, verdict.approved, line)), seen: device });
    }
    return bound;
  }

  private async known(tx: EntityManager, orgId: string, identities: string): Promise<KnownDevice[]> {
    return queryRows<KnownDevice>(
      tx,
      `select d.id, d.site_id, d.identity_kind, d.identity_value, d.identity_scope
       from jsonb_to_recordset($2) as seen (kind text, value text, scope text)
       join devices d on d.org_id = $1 and d.identity_kind = seen.kind and d.identity_value = seen.value
         and d.identity_scope = seen.scope
       order by d.id for no key update of d`,
      [orgId, identities],
    );
  }

  private async listed(
    tx: EntityManager,
    siteId: string,
    identities: string,
  ): Promise<Map<string, { model: string | null; name: string | null }>> {
    const rows = await queryRows<{
      identity_kind: string;
      identity_value: string;
      model: string | null;
      name: string | null;
    }>(
      tx,
      `select l.* from jsonb_to_recordset($2) as seen (kind text, value text)
       join site_devices l on l.site_id = $1 and l.identity_kind = seen.kind and l.identity_value = seen.value`,
      [siteId, identities],
    );
    return new Map(rows.map((row) => [JSON.stringify([row.identity_kind, row.identity_value]), row]));
  }

  private async create(
    tx: EntityManager,
    gateway: LockedGateway,
    device: InventoryDevice,
    scope: string,
    approved: boolean,
    line: { model: string | null; name: string | null } | undefined,
  ): Promise<{ id: string; isNew: boolean }> {
    const [made] = await queryRows<{ id: string; fresh: boolean; site_id: string }>(
      tx,
      `insert into devices (org_id, site_id, gateway_id, model, name, identity_kind, identity_value, identity_scope,
         protocol, mode, approved)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
       on conflict (org_id, identity_kind, identity_value, identity_scope) do update set last_seen_at = now()
       returning id, site_id, xmax = 0 as fresh`,
      [
        gateway.orgId,
        gateway.siteId,
        gateway.id,
        line?.model ?? device.model ?? null,
        line?.name ?? device.name ?? null,
        device.identity.kind,
        device.identity.value,
        scope,
        device.protocol,
        device.mode,
        approved,
      ],
    );
    if (!made!.fresh) {
      // Another gateway made it while this message was on its way; if of another site, it is looked at again as a claim.
      if (made!.site_id !== gateway.siteId) throw new SerializationRetry();
      return { id: made!.id, isNew: false };
    }
    await this.audit.record(tx, {
      orgId: gateway.orgId,
      actor: { kind: 'gateway', id: gateway.id, name: gateway.name },
      action: 'device.first-seen',
      target: { kind: 'device', id: made!.id },
      params: { identity: `${device.identity.kind}:${device.identity.value}`, approved, site: gateway.siteId },
    });
    return { id: made!.id, isNew: true };
  }

  /** Until a person has decided, the device gets no grant, and the claim changes nothing else. */
  private async claim(tx: EntityManager, gateway: LockedGateway, deviceId: string): Promise<void> {
    const [row] = await queryRows<{ fresh: boolean; state: string }>(
      tx,
      `insert into device_claims (device_id, gateway_id, site_id) values ($1, $2, $3)
       on conflict (device_id, gateway_id) do update set last_at = clock_timestamp()
       returning state, xmax = 0 as fresh`,
      [deviceId, gateway.id, gateway.siteId],
    );
    if (!row!.fresh) return;
    await tx.query('update devices set approved = false, revision = revision + 1 where id = $1', [deviceId]);
    await this.audit.record(tx, {
      orgId: gateway.orgId,
      actor: { kind: 'gateway', id: gateway.id, name: gateway.name },
      action: 'device.claimed-elsewhere',
      target: { kind: 'device', id: deviceId },
      params: { gateway: gateway.id, site: gateway.siteId },
    });
  }
}

/** Makes `inTransaction` try again, like a deadlock. */
class SerializationRetry extends Error {
  readonly driverError = { code: '40001' };
}
