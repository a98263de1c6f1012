/** For the engine's model test: servers, gateways, devices, two campaigns on redundancy pairs, and what happens to them. */
import { randomUUID } from 'node:crypto';
import { PauseAnswer, type Artifact } from '@drydock/contracts';
import { call, freshName, makeSite, TestGateway } from '../../fleet/fleet.fixture.js';
import { draftCampaigns } from './model-campaigns.fixture.js';
import { ModelDevice, TouchBook, type Firmware } from './model-device.fixture.js';
import { Card, Life, type Ending } from './model-gateway.fixture.js';
import { ModelServer, type LostQueue } from './model-server.fixture.js';
import { freshEyes, observe, type Seen } from './observers.fixture.js';
import { GATEWAYS, PAIRS, SEEN_BY, type Place } from './topology.fixture.js';
import { VirtualDatabase } from './virtual-database.fixture.js';

export class EngineWorld {
  readonly book = new TouchBook(() => this.database.nowMs);
  readonly places: Place[] = [];
  readonly devices: ModelDevice[] = [];
  servers: ModelServer[] = [];
  /** A, B, C and U, as they are drafted. */
  readonly campaigns: string[] = [];
  readonly artifactOf = new Map<string, Artifact>();
  approvers: string[] = [];
  orgId = '';
  /** The database was put back in this history: what was forgotten cannot be counted on. */
  restored = false;
  seen: Seen = freshEyes();
  broken: string[] = [];
  /** Turns that the last part of the last story took. */
  healedAfter = 0;
  /** How often a person let something go on, by campaign or gateway. */
  readonly letOn = new Map<string, number>();
  /** Attempts of which gateways knew when the database was put back. */
  readonly keysBefore = new Set<string>();
  /** The last fence of what machines held when the database was put back; by the true time. */
  fencedUntilMs = 0;
  /** The database's clock went back in this history. */
  wentBack = false;
  private readonly firmware = new Map<string, Firmware>();
  private dataDir = '';
  private startMs = 0;
  /** What every monotonic clock counts by. */
  private trueMs = 0;
  private aheadMs = 0;

  private constructor(readonly database: VirtualDatabase) {}

  static async open(): Promise<EngineWorld> {
    const world = new EngineWorld(await VirtualDatabase.open());
    world.startMs = world.database.nowMs;
    world.trueMs = world.startMs;
    const first = await ModelServer.start(world.database, world.carry);
    world.servers = [first, await ModelServer.start(world.database, world.carry, first.server.dataDir)];
    world.dataDir = first.server.dataDir;
    await world.build();
    await world.database.save('beginning');
    return world;
  }

  private readonly carry = (gatewayId: string, leaf: 'orders' | 'acks', jws: string): void => {
    const place = this.places.find((each) => each.gateway.id === gatewayId);
    if (!place) return;
    if (leaf === 'orders') place.retained = jws;
    for (const life of place.lives) if (life.connected) life.down.push({ leaf, jws });
  };

  get trueNowMs(): number {
    return this.trueMs;
  }

  private get http() {
    return this.servers[0]!.server;
  }

  private async build(): Promise<void> {
    const { http } = this;
    const models = { a: freshName('model-a'), b: freshName('model-b') };
    const drafted = await draftCampaigns(http, models);
    this.approvers = drafted.approvers;
    for (const { id, artifact } of drafted.campaigns) {
      this.campaigns.push(id);
      this.artifactOf.set(id, artifact);
      this.firmware.set(artifact.sha256, { hash: artifact.runningHashes[0]!, version: artifact.version });
    }
    const [org] = await this.database.query<{ id: string }>('select id from orgs');
    this.orgId = org!.id;
    const sites = [await makeSite(http), await makeSite(http)];
    for (const [index, name] of GATEWAYS.entries()) {
      const gateway = await TestGateway.enrol(http, sites[index === 2 ? 1 : 0]!, freshName(name));
      this.places.push({ name, gateway, lives: [], retained: undefined, cards: [], devices: [] });
    }
    for (const kind of ['a', 'b'] as const) {
      for (let group = 0; group < PAIRS; group++) {
        const factory = '00'.repeat(31) + `0${group}`;
        const version = group < PAIRS / 2 ? '1.0.0' : '1.1.0';
        const device = new ModelDevice(`${kind}${group}`, models[kind], group, factory, this.firmware, version);
        this.devices.push(device);
        for (const at of SEEN_BY[kind][group]!) this.places[at]!.devices.push(device);
      }
    }
    this.bootAll();
    for (const place of this.places) await place.lives[0]!.connect(undefined);
    await this.deliverAll();
    const rows = await this.database.query<{ id: string; name: string }>(
      'select id, identity_value as name from devices',
    );
    for (const device of this.devices) device.id = rows.find((row) => row.name === device.name)!.id;
    for (let group = 0; group < PAIRS; group++) {
      const id = randomUUID();
      await this.database.query('insert into redundancy_groups (id, org_id, name, max_out) values ($1, $2, $3, 1)', [
        id,
        this.orgId,
        `pair-${group}`,
      ]);
      await this.database.query('update devices set redundancy_group_id = $1 where identity_value = any($2)', [
        id,
        [`a${group}`, `b${group}`],
      ]);
    }
  }

  private bootAll(): void {
    for (const place of this.places) {
      place.cards = [new Card()];
      place.lives = [this.boot(place, place.cards[0]!)];
      place.retained = undefined;
    }
  }

  private boot(place: Place, card: Card): Life {
    return new Life(place.gateway, card, place.devices, this.book, () => this.trueMs);
  }

  /** A new history: the database of the beginning, machines fresh from the box. */
  async begin(): Promise<void> {
    await this.database.load('beginning');
    this.trueMs = this.startMs;
    this.aheadMs = 0;
    await this.advance(0);
    this.book.reset();
    for (const device of this.devices) device.reset();
    this.bootAll();
    this.restored = false;
    this.fencedUntilMs = 0;
    this.wentBack = false;
    this.keysBefore.clear();
    this.letOn.clear();
    this.seen = freshEyes();
    this.broken = [];
    for (const place of this.places) await place.lives[0]!.connect(undefined);
    await this.deliverAll();
  }

  async advance(ms: number): Promise<void> {
    this.trueMs += ms;
    await this.database.setTime(this.trueMs + this.aheadMs);
  }

  async tick(server: number, statements?: number, queue?: LostQueue): Promise<void> {
    await (queue ? this.servers[server]!.poll(queue) : this.servers[server]!.tickDue(statements));
    await this.noteCampaigns();
  }

  private async noteCampaigns(): Promise<void> {
    const rows = await this.database.query<{ id: string; campaign_id: string }>(
      'select id, campaign_id from deployments',
    );
    for (const row of rows) this.book.campaignOf.set(row.id, row.campaign_id);
  }

  /**
   * One server looks at one campaign, and before it commits the other looks at another one: both see what was before.
   * The first waits until the second is through, or stands before a lock.
   */
  async tickTogether(first: number, second: number): Promise<void> {
    const [one, two] = this.servers as [ModelServer, ModelServer];
    await one.tickSlowly(this.campaigns[first]!, () => two.tickOne(this.campaigns[second]!));
    await this.noteCampaigns();
  }

  async publish(server: number, statements?: number): Promise<void> {
    await this.servers[server]!.publish(statements);
  }

  /** Everything that is on the way arrives, in order, and is answered. */
  async deliver(place: Place, server = 0, statements?: number): Promise<void> {
    for (let turn = 0; turn < 12; turn++) {
      const before = place.lives.reduce((sum, life) => sum + life.up.length + life.down.length, 0);
      for (const life of place.lives) {
        for (const message of life.up.splice(0)) await this.arrive(place, message, server, statements);
        for (const message of life.down.splice(0)) if (!life.asleep) await life.take(message);
      }
      if (before === 0) break;
    }
  }

  async arrive(place: Place, message: Life['up'][number], server: number, statements?: number): Promise<void> {
    await this.servers[server]!.receive(
      {
        orgId: this.orgId,
        gatewayId: place.gateway.id,
        leaf: message.leaf,
        payload: Buffer.from(message.payload),
      },
      statements,
    );
  }

  async deliverAll(): Promise<void> {
    for (const place of this.places) await this.deliver(place);
  }

  /** A gateway says all it has to say and hears all there is to hear. */
  async talk(place: Place, server = 0, statements?: number): Promise<void> {
    for (const life of place.lives) {
      if (life.connected) await life.offer();
    }
    await this.deliver(place, server, statements);
  }

  async cutOff(place: Place): Promise<void> {
    for (const life of place.lives) await life.disconnect();
  }

  async comeBack(place: Place): Promise<void> {
    for (const life of place.lives) {
      life.asleep = false;
      if (!life.connected) await life.connect(place.retained);
    }
    await this.deliver(place);
  }

  /** Power is gone and comes back. */
  async restart(place: Place): Promise<void> {
    await this.cutOff(place);
    // What was on the way to the broker is lost with the machine, but for the last will.
    place.lives = place.lives.map((life, index) => {
      const again = this.boot(place, place.cards[index]!);
      again.up.push(...life.up.slice(-1));
      return again;
    });
  }

  cloneCard(place: Place): void {
    if (place.lives.length > 1) return;
    this.bootCopy(place, place.cards[0]!.copy());
  }

  /** A second machine with a copy of the card. */
  bootCopy(place: Place, card: Card): Life {
    const life = this.boot(place, card);
    place.cards.push(card);
    place.lives.push(life);
    return life;
  }

  wipeCard(place: Place): void {
    const life = place.lives[0]!;
    life.connected = false;
    place.cards[0] = new Card();
    place.lives[0] = this.boot(place, place.cards[0]);
  }

  /** The machines that hold or work on an attempt of the device. */
  lifeWith(device: ModelDevice): { place: Place; life: Life } | undefined {
    for (const place of this.places) {
      for (const life of place.lives) if (life.has(device)) return { place, life };
    }
    return undefined;
  }

  work(place: Place, which: number, ending: Ending): string {
    return place.lives[which % place.lives.length]!.work(which, ending);
  }

  /** kill -9 of the second server; another starts on the same database. */
  async crashServer(): Promise<void> {
    await this.servers[1]!.stop();
    this.servers[1] = await ModelServer.start(this.database, this.carry, this.dataDir);
    // Its broker died with it: everybody connects again.
    for (const place of this.places) {
      for (const life of place.lives) {
        if (!life.connected) continue;
        life.connected = false;
        await life.connect(place.retained);
      }
    }
    await this.deliverAll();
  }

  async restoreDatabase(name: string): Promise<void> {
    this.restored = true;
    for (const place of this.places) await this.cutOff(place);
    await this.database.load(name);
    this.book.forget();
    this.seen = freshEyes();
    for (const { cards } of this.places) {
      for (const card of cards) {
        for (const key of [...card.granted.keys(), ...card.started.keys(), ...card.over]) this.keysBefore.add(key);
        for (const { grant } of [...card.granted.values(), ...card.started.values()]) {
          this.fencedUntilMs = Math.max(this.fencedUntilMs, grant.finishBy);
        }
      }
    }
    await this.servers[0]!.declareRestored();
    for (const place of this.places) for (const life of place.lives) life.up.length = 0;
  }

  /** A person's action. Conflicts are answers, too. @returns the status. */
  async act(
    path: string,
    body: Record<string, unknown> = { reason: 'because' },
    method = 'POST',
    headers: Record<string, string> = {},
  ): Promise<number> {
    const answer = await call(this.http, method, path, { body, headers });
    await this.servers[0]!.idle();
    if (answer.status >= 500) this.broken.push(`${path} answered ${answer.status}: ${answer.text}`);
    return answer.status;
  }

  /** Holds a gateway, lets it go, quarantines or releases it, as it is shown to the person now. */
  async decideOn(place: Place, what: 'hold' | 'let go' | 'quarantine' | 'release'): Promise<number> {
    const path = `/api/v1/gateways/${place.gateway.id}`;
    this.noteLetOn(place.gateway.id);
    const shown = await call(this.http, 'GET', path);
    const headers = { 'if-match': shown.headers.get('etag') ?? '' };
    if (what === 'hold') return this.act(path, { hold: { note: 'because' } }, 'PATCH', headers);
    if (what === 'let go') return this.act(path, { hold: null }, 'PATCH', headers);
    return this.act(`${path}/${what}`, { note: 'because' }, 'POST', headers);
  }

  async stopCampaign(
    index: number,
    how: 'pause' | 'halt' | 'abort',
    more: Record<string, unknown> = {},
  ): Promise<void> {
    const campaign = this.campaigns[index]!;
    const answer = await call(this.http, 'POST', `/api/v1/campaigns/${campaign}/${how}`, {
      body: { reason: 'because', ...more },
    });
    await this.servers[0]!.idle();
    if (answer.status !== 200) return;
    const told = answer.json(PauseAnswer);
    this.book.forget(campaign);
    this.book.told(campaign, told.mayStillStart, told.noneAfter);
  }

  async resume(index: number): Promise<number> {
    const campaign = this.campaigns[index]!;
    const status = await this.act(`/api/v1/campaigns/${campaign}/resume`);
    if (status === 200) this.book.forget(campaign);
    this.noteLetOn(campaign);
    return status;
  }

  private noteLetOn(id: string): void {
    this.letOn.set(id, (this.letOn.get(id) ?? 0) + 1);
  }

  /** Two different people say yes to the urgent campaign. */
  async beginUrgent(): Promise<number> {
    const path = `/api/v1/campaigns/${this.campaigns[3]!}`;
    await this.act(`${path}/start`, {});
    let status = 0;
    for (const token of this.approvers) {
      status = (await call(this.http, 'POST', `${path}/approve`, { body: {}, token })).status;
      await this.servers[0]!.idle();
    }
    return status;
  }

  /** The database's clock is set so much ahead of the true time; machines go on counting as before. */
  async stepClock(aheadMs: number): Promise<void> {
    // What was told of a pause counts grants by the clock: where that goes back, the number may grow again.
    if (aheadMs < this.aheadMs) {
      this.book.forget();
      this.wentBack = true;
    }
    this.aheadMs = aheadMs;
    await this.advance(0);
  }

  async liftQuarantines(): Promise<void> {
    const rows = await this.database.query<{ id: string; campaign_id: string }>(
      'select id, campaign_id from campaign_quarantines where lifted_at is null',
    );
    for (const row of rows) await this.act(`/api/v1/campaigns/${row.campaign_id}/quarantines/${row.id}/lift`);
  }

  /** @throws Error with every promise that is broken now. */
  async check(): Promise<void> {
    const broken = [...this.broken, ...this.book.broken, ...(await observe(this))];
    if (broken.length > 0) throw new Error([...new Set(broken)].join('\n'));
  }

  async close(): Promise<void> {
    for (const server of this.servers.toReversed()) await server.stop();
    await this.database.close();
  }
}
