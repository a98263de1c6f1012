/** The daemon as a whole: puts the parts together, starts and stops them in order. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { importSigningKey, RAW_PORT_CAPABILITY } from '@drydock/contracts';
import { AGENT_MODEL, DrydockError } from '@drydock/dfu-core';
import { realClock, type Clock } from './clock.js';
import { Deployments } from './deployments/deployments.js';
import { LocalRules } from './deployments/local-rules.js';
import { parseReleaseKey } from './deployments/release-keys.js';
import { Inventory } from './inventory/inventory.js';
import { Journal } from './journal/journal.js';
import { attemptKey } from './journal/records.js';
import { ADAPTER_LANE, Lanes, lanesBehind } from './links/lanes.js';
import { createLinkFactory, type LinkFactory } from './links/link-factory.js';
import { Signals } from './links/signals.js';
import { SILENT, type Logger } from './logger.js';
import { LogHistory } from './log/log-history.js';
import { LogLevelSwitch } from './log/log-level.js';
import { RemoteLogLevel } from './log/remote-log-level.js';
import { PROTOCOLS, type ProtocolRegistry } from './protocols.js';
import { LiveSite } from './site/live-site.js';
import { nameOf, type Site } from './site/site-file.js';
import type { AgentStatus } from './status/agent-status.js';
import { airTimeNow } from './status/air-time-now.js';
import { collectStatus, type DaemonLog } from './status/collect-status.js';
import { PlaceWatch } from './status/place-watch.js';
import { factsOfItself, journalTrouble, siteTrouble } from './status/own-facts.js';
import { linksWithSelf, mayTakeTurn, protocolsWithSelf, SelfUpgrade, siteWithSelf } from './upgrade/self-upgrade.js';
import { answersAt } from './upgrade/server-reach.js';
import { StateFile, type AgentState, type Enrolment } from './uplink/agent-state.js';
import { ArtifactCache } from './uplink/artifact-cache.js';
import { DownloadPace } from './uplink/download-pace.js';
import { requireSafeUrl } from './uplink/http-client.js';
import { ProgressMessages } from './uplink/progress-messages.js';
import { UnreadOrder } from './upgrade/unread-order.js';
import { enrol } from './uplink/server-http.js';
import { TrustedTime } from './uplink/trusted-time.js';
import { Uplink } from './uplink/uplink.js';
import { AGENT_VERSION } from './version.js';

export interface AgentOptions {
  /** Folder of the agent's state: key, journal, artifacts. */
  readonly stateDir: string;
  readonly site: Site;
  /** Where the site came from: looked at while the agent runs. */
  readonly siteFile?: string | undefined;
  /** Needed until the gateway is enrolled. */
  readonly serverUrl?: string | undefined;
  /** Asked for only while the gateway is not enrolled. */
  readonly token?: (() => Promise<string | undefined>) | undefined;
  readonly log: Logger;
  /** What the status tells of the log; nothing without it. */
  readonly daemonLog?: DaemonLog;
  readonly clock?: Clock;
  readonly protocols?: ProtocolRegistry;
  readonly links?: LinkFactory;
  /** Allows plain HTTP and MQTT to other machines. */
  readonly allowPlaintext?: boolean;
  /** A launcher started this agent: it is a device of its own, and can be upgraded. */
  readonly self?: {
    /** Bundle that runs (SHA-256); undefined for what is installed beside the launcher. */
    readonly bundle: string | undefined;
    /** Stops the agent as a signal would, and has it started again. */
    restart(why: string): void;
  };
  /** Called whenever an attempt takes its link: from now on there is work to do. */
  readonly working?: () => void;
}

export interface RunningAgent {
  readonly gatewayId: string;
  readonly epoch: string;
  readonly deployments: Deployments;
  readonly uplink: Uplink;
  readonly journal: Journal;
  status(): AgentStatus;
  /**
   * Stops at a safe point, within `STOP_MS` and what it takes to say goodbye; a device between erase and proof is waited
   * for until its session ends (at the latest at its grant's `finishBy`).
   */
  stop(): Promise<void>;
}

const SILENT_DAEMON_LOG: DaemonLog = {
  history: new LogHistory(),
  level: new LogLevelSwitch({ ...SILENT, level: 'silent' }, realClock),
  lostLines: () => 0,
};
/** How long a stop waits for sessions to reach a safe point; longer than any single flash operation. */
export const STOP_MS = 60_000;
/** A full disk, or one that failed, is looked at again: nothing is started while the journal is in trouble. */
const JOURNAL_RETRY_MS = 10_000;

/**
 * Enrols if needed and starts everything. The connection is made in the background.
 * @throws DrydockError `enrolment.token`, `settings.invalid`, `gateway.journal`, `server.unavailable` (only while not enrolled)
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { log, clock = realClock, allowPlaintext = false } = options;
  const dress = (site: Site): Site => (options.self ? siteWithSelf(site) : site);
  const spoken = options.protocols ?? PROTOCOLS;
  const live = new LiveSite({
    site: dress(options.site),
    dress,
    path: options.siteFile,
    knownProtocols: [...spoken.keys()],
    clock,
    log,
  });
  const { site } = live;
  const protocols = options.self ? protocolsWithSelf(spoken) : spoken;
  const stateFile = new StateFile(join(options.stateDir, 'state.json'));
  const state = await enrolled(stateFile, options);
  const epoch = randomBytes(16).toString('hex');
  const journal = await Journal.open({
    dir: options.stateDir,
    epoch,
    maxBytes: site.limits.journalMiB * 1024 * 1024,
    first: (found, note) => [
      {
        kind: 'epoch-started',
        atMs: null,
        agentVersion: AGENT_VERSION,
        journal: found,
        ...(note !== undefined && { journalNote: note }),
      },
    ],
  });
  const time = new TrustedTime(clock);
  const lanes = new Lanes({ behind: lanesBehind });
  lanes.setCapacity(ADAPTER_LANE, site.limits.parallelBluetooth);
  const signals = new Signals(() => clock.monotonicMs());
  const outside =
    options.links ??
    createLinkFactory({
      clock,
      log,
      adapter: site.bluetooth?.adapter,
      stateDir: options.stateDir,
      security: (address, model) => site.security(address, model),
      adapterChanged: ({ connections = Number.POSITIVE_INFINITY }) => {
        lanes.setCapacity(ADAPTER_LANE, Math.min(connections, site.limits.parallelBluetooth));
        uplink.announce();
      },
    });
  const links = options.self ? linksWithSelf(outside, () => self!) : outside;
  const key = await importSigningKey(state.key);

  const { level } = options.daemonLog ?? SILENT_DAEMON_LOG;
  const remoteLevel = new RemoteLogLevel(level, () => time.estimateMs());
  const uplink: Uplink = new Uplink({
    state,
    stateFile,
    key,
    journal,
    clock,
    log,
    time,
    agentVersion: AGENT_VERSION,
    protocols: [...protocols.keys(), ...(site.devices.some(({ rawPort }) => rawPort) ? [RAW_PORT_CAPABILITY] : [])],
    allowPlaintext,
    presence: () => ({
      held: deployments.holds,
      links: [...journalTrouble(journal), ...siteTrouble(live), ...inventory.presenceLinks()].slice(0, 64),
    }),
    self: () => factsOfItself(time, journal),
    order: (order) => {
      if (order.body) remoteLevel.take(order.body);
      unread?.take(order.upgrade);
      void deployments.take(order);
    },
    refused: (of, seqs) => {
      if (of === epoch) deployments.refuse(seqs);
    },
    committed: () => deployments.pump(),
    changed: () => {
      remoteLevel.look();
      deployments.pump();
      if (uplink.online) inventory.connected();
    },
  });
  const cache = new ArtifactCache({
    dir: join(options.stateDir, 'artifacts'),
    get maxBytes() {
      return site.limits.cacheMiB * 1024 * 1024;
    },
    clock,
    log,
    pace: new DownloadPace({ clock, time, downloads: () => site.downloads }),
    openArtifact: (sha256, offset, signal) => uplink.openArtifact(sha256, offset, signal),
  });
  const totals = new Map<string, number>();
  const progress = new ProgressMessages(clock, (items) => uplink.progress({ v: 1, items }));
  const releaseKeys = releaseKeysOf(site, state.enrolment);
  const rules = new LocalRules({ site, clock, time, changed: () => deployments.pump() });
  const deployments: Deployments = new Deployments({
    clock,
    log,
    time,
    journal,
    cache,
    links,
    protocols,
    site,
    lanes,
    signals,
    rules,
    releaseKeys,
    openRawPort: (ref, signal) => uplink.openRawPort(ref, signal),
    mayStart: (attempt, all) => mayTakeTurn(attempt, all, self?.onTrial ?? false),
    working: (attempt) => {
      const { grant } = attempt;
      const name = nameOf(site, grant.links);
      const of = { ...(name !== undefined && { name }), device: grant.device, links: grant.links };
      log.info({ attempt: attempt.key, ...of }, 'attempt begins');
      options.working?.();
    },
    heard: (seq) => (journal.epochs().find((book) => book.epoch === epoch)?.cursor ?? 0) >= seq,
    reported: () => uplink.reports.kick(),
    held: () => uplink.announce(),
    progress: (ref, sentBytes, totalBytes) => {
      totals.set(attemptKey(ref), totalBytes);
      progress.add(ref, sentBytes, totalBytes);
    },
    ended: (attempt) => {
      totals.delete(attempt.key);
      inventory.look(attempt.grant.links);
    },
  });
  const inventory: Inventory = new Inventory({
    clock,
    log,
    site,
    links,
    lanes,
    signals,
    protocols,
    evidence: () => ({ lastSeq: journal.lastSeq, heardMs: uplink.heardMs }),
    publish: (body) => uplink.inventory(body),
    linksChanged: () => uplink.announce(),
  });

  const places = new PlaceWatch({
    site,
    clock,
    log,
    back: (back, what) => {
      if (what.startsWith('adapter:')) inventory.adapterReturned();
      inventory.look(back);
    },
  });
  const self: SelfUpgrade | undefined =
    options.self &&
    new SelfUpgrade({
      ...options.self,
      stateDir: options.stateDir,
      gateway: state.enrolment.gateway.id,
      clock,
      log,
      keys: () => releaseKeys(AGENT_MODEL),
      facts: () => ({
        online: uplink.online,
        acknowledged: journal.epochs().find((book) => book.epoch === epoch)?.cursor ?? 0,
        links: inventory.presenceLinks(),
        missing: places.missing.flatMap(({ what, links }) => [what, ...links]),
      }),
      serverAnswers: () => answersAt(state.enrolment.serverUrl),
      proven: () => deployments.pump(),
    });

  const unread =
    self && new UnreadOrder({ self, cache, clock, log, isBusy: () => deployments.attempts.length > 0 || self.onTrial });

  if (journal.found === 'damaged') log.error({ note: journal.note }, 'the journal was damaged');
  // The connection takes longest, so it is begun first; nothing starts before the recovery below is through.
  uplink.start();
  await deployments.recover();
  inventory.start();
  live.onChange = () => {
    inventory.siteChanged();
    places.siteChanged();
    uplink.announce();
    deployments.pump();
  };
  live.start();
  places.start();
  self?.start();
  let troubled = false;
  let stoppingSinceMs: number | undefined;
  const stopRetry = every(clock, JOURNAL_RETRY_MS, () => {
    const was = journal.trouble?.code;
    if (was === undefined && !troubled) return;
    void journal.retry().then(() => {
      troubled = journal.trouble !== undefined;
      uplink.announce();
      deployments.pump();
    });
  });
  log.info(
    { gateway: state.enrolment.gateway.id, epoch, journal: journal.found, version: AGENT_VERSION },
    'agent started',
  );

  return {
    gatewayId: state.enrolment.gateway.id,
    epoch,
    deployments,
    uplink,
    journal,
    status: () =>
      collectStatus(
        {
          enrolment: state.enrolment,
          journal,
          time,
          uplink,
          attempts: deployments.attempts,
          links: inventory.presenceLinks(),
          airTime: airTimeNow(deployments, clock.monotonicMs()),
          totals,
          site,
          nowMs: clock.monotonicMs(),
          stoppingSinceMs,
        },
        options.daemonLog ?? SILENT_DAEMON_LOG,
      ),
    stop: async () => {
      stoppingSinceMs = Date.now();
      stopRetry();
      progress.stop();
      await Promise.all([places.stop(), unread?.stop(), self?.stop(), live.stop()]);
      await Promise.all([deployments.stop(STOP_MS), inventory.stop(), rules.stop()]);
      await cache.stop();
      await uplink.stop();
      await links.close();
      await journal.close();
    },
  };
}

async function enrolled(file: StateFile, options: AgentOptions): Promise<AgentState & { enrolment: Enrolment }> {
  const state = await file.load();
  if (state.enrolment) {
    if (options.serverUrl === undefined) return { ...state, enrolment: state.enrolment };
    // A server may move. Who it is does not depend on its address: what it says is signed by the root pinned here.
    const serverUrl = requireSafeUrl(options.serverUrl, '--server', options.allowPlaintext ?? false).href;
    const enrolment = { ...state.enrolment, serverUrl };
    if (serverUrl !== state.enrolment.serverUrl) {
      options.log.info({ was: state.enrolment.serverUrl, now: serverUrl }, 'the server is looked for elsewhere');
      await file.save({ ...state, enrolment });
    }
    return { ...state, enrolment };
  }
  if (options.serverUrl === undefined) {
    throw new DrydockError('settings.invalid', { field: '--server', detail: 'needed to enrol this gateway' });
  }
  const token = await options.token?.();
  if (!token) {
    throw new DrydockError('settings.invalid', {
      field: 'DRYDOCK_ENROL_TOKEN',
      detail: 'an enrolment token is needed, in this variable or in the file named by --token-file',
    });
  }
  const enrolment = await enrol({
    serverUrl: options.serverUrl,
    token,
    ...(options.site.name !== undefined && { name: options.site.name }),
    state,
    agentVersion: AGENT_VERSION,
    allowPlaintext: options.allowPlaintext ?? false,
  });
  await file.save({ ...state, enrolment });
  options.log.info({ gateway: enrolment.gateway.name, site: enrolment.site.name }, 'enrolled');
  return { ...state, enrolment };
}

/** Keys of the site file and of enrolment together: either may demand a signature. */
function releaseKeysOf(site: Site, enrolment: Enrolment): (model: string) => ReturnType<typeof parseReleaseKey>[] {
  const fromServer = new Map(
    Object.entries(enrolment.releaseKeys).map(([model, pems]) => [
      model,
      pems.map((pem) => parseReleaseKey(pem, `release key of ${model}`)),
    ]),
  );
  return (model) => {
    // Keys that people put on the gateway outrank those that came with the enrolment.
    const own = site.releaseKeys.get(model) ?? [];
    return own.length > 0 ? [...own] : (fromServer.get(model) ?? []);
  };
}

function every(clock: Clock, periodMs: number, work: () => void): () => void {
  let callOff = (): void => undefined;
  const next = (): void => {
    callOff = clock.after(periodMs, () => {
      work();
      next();
    });
  };
  next();
  return () => callOff();
}
