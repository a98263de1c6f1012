/**
 * A device that was left in its bootloader is found again and finished under a rescue grant: the real protocol, driver and
 * Bluetooth stack, with a simulated unit that has only one bank.
 */
import { afterEach, expect, it } from '@jest/globals';
import { createHash, randomUUID } from 'node:crypto';
import { Grant, whyUnproven, type Epoch } from '@drydock/contracts';
import {
  createSecureDfuDevice,
  makeDemoFirmware,
  memoryPort,
  SimulatedController,
  WallClock,
} from '@drydock/device-sim';
import { describeArtifact, makeNordicPackage, secureDfu, sourceOf } from '@drydock/dfu-core';
import { realClock } from '../clock.js';
import { BleAdapter } from '../links/ble/ble-adapter.js';
import { SILENT } from '../logger.js';
import { EMPTY_SITE } from '../site/site-file.js';
import { TrustedTime } from '../uplink/trusted-time.js';
import { Attempt } from './attempt.js';
import { runAttempt, type RunnerPorts } from './attempt-runner.js';
import { endedReport, failedOutcome } from './ended-report.js';

const MODEL = 'demo-sensor';
const NEW = makeDemoFirmware({ model: MODEL, version: '2.0.0', sizeBytes: 30_000, seed: 2 });
const FILE = makeNordicPackage({ application: NEW, hwVersion: 52, fwVersion: 2, sdReq: [0x0101] });
const ARTIFACT = describeArtifact(FILE);
const EPOCH = '00'.repeat(16) as Epoch;

let adapter: BleAdapter | undefined;
afterEach(async () => {
  await adapter?.close();
});

function grantFor(address: string, attempt: number, mode: 'update' | 'rescue'): Grant {
  const now = Date.now();
  return Grant.parse({
    deployment: '00000000-0000-4000-8000-000000000001',
    reign: 0,
    attempt,
    mode,
    device: randomUUID(),
    model: MODEL,
    identity: { kind: 'ble-address', value: address },
    links: [`ble:${address}?type=random`],
    protocol: 'secure-dfu',
    artifact: { sha256: ARTIFACT.sha256, sizeBytes: FILE.length, format: ARTIFACT.format },
    expect: { versionProves: true, version: '2.0.0' },
    confirm: 'after-proof',
    allowDowngrade: false,
    startBy: now + 60_000,
    finishBy: now + 200_000,
    timeouts: { downloadMs: 30_000, transferMs: 60_000, activateMs: 30_000, proveMs: 30_000 },
  });
}

/** @param killAt image bytes after which the attempt is ended where it stands, as when its agent dies. */
async function attempt(grant: Grant, bleAdapter: BleAdapter, killAt = Infinity) {
  const time = new TrustedTime(realClock);
  time.answer(time.ask(), Date.now());
  const address = grant.identity.value;
  const ports: RunnerPorts = {
    clock: realClock,
    log: SILENT,
    time,
    journal: { append: () => Promise.resolve([]) },
    cache: {
      open: () => Promise.resolve({ ...sourceOf(FILE), close: () => undefined }),
      discard: () => Promise.resolve(),
    },
    links: { link: () => Promise.resolve(bleAdapter.link(address, { services: secureDfu.services })) },
    protocols: new Map([['secure-dfu', secureDfu]]),
    site: EMPTY_SITE,
    releaseKeys: () => [],
    progress: (running, sent) => {
      if (sent >= killAt) running.driver?.abort('its agent died');
    },
  };
  const held = new Attempt(EPOCH, grant, undefined);
  held.phase = 'running';
  const outcome = await runAttempt(held, ports).catch((error: unknown) => failedOutcome(held, error));
  return endedReport(held, outcome, { atMs: null, durationMs: 1, overdue: false });
}

it('under a rescue grant', async () => {
  const scheduler = new WallClock();
  const device = createSecureDfuDevice({
    scheduler,
    model: MODEL,
    banks: 'single',
    application: makeDemoFirmware({ model: MODEL, version: '1.0.0', sizeBytes: 16_384 }),
    flash: { eraseMsPerPage: 2, writeUsPerWord: 1 },
    rebootMs: 20,
    verifyMs: 5,
  });
  const controller = new SimulatedController({ scheduler, supervisionMs: 200 });
  controller.host(device.ble);
  adapter = await BleAdapter.overPort('memory', memoryPort(controller));
  const address = device.ble.advertisement()?.address ?? '';

  const first = await attempt(grantFor(address, 1, 'update'), adapter, 8_000);
  expect(first).toMatchObject({ outcome: 'failed', touched: true, needsRescue: true });
  expect(first.before).toMatchObject([{ version: '1.0.0' }]);
  expect(device.flash.runningImageSha256()).toBeUndefined();

  const second = await attempt(grantFor(address, 2, 'rescue'), adapter);
  expect(second).toMatchObject({ outcome: 'proven', touched: true, needsRescue: false });
  expect(device.flash.runningImageSha256()).toBe(createHash('sha256').update(NEW).digest('hex'));

  // What the server makes of it: it remembers what ran before the first try.
  const unit = { kind: 'ble-address', value: address } as const;
  const artifact = { images: [{ image: 0 }], runningVersion: '2.0.0', versionProves: true };
  const claim = { touched: second.touched, identity: second.identity, after: second.after };
  expect(whyUnproven({ ...claim, before: first.before }, artifact, unit)).toBeUndefined();
  expect(whyUnproven({ ...claim, before: [] }, artifact, unit)).toBe('version-not-readable');
}, 60_000);
