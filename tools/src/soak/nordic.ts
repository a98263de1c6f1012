/**
 * The long form of the Nordic Secure DFU tests: units of every SDK generation, with every way in, on Bluetooth and serial
 * lines, whose links and power are cut at object borders and at random, again and again, until the update is through.
 *
 * In virtual time, so that a thousand devices take minutes. A round is made from its seed alone and can be repeated.
 */
import {
  createSecureDfuDevice,
  makeDemoFirmware,
  runInVirtualTime,
  seededRandom,
  VirtualScheduler,
  type FaultPlan,
  type SdkProfile,
  type SecureDfuDevice,
} from '@drydock/device-sim';
import {
  describeNordicPackage,
  type LinkInfo,
  makeNordicPackage,
  nordicPublicKeyOf,
  secureDfu,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import { createHash } from 'node:crypto';

const SDKS: readonly SdkProfile[] = ['12', '13', '14', '15.0', '15.3', '16', '17'];
const PAGE = 4096;
const IMAGE_BYTES = 60_000;
const MAX_TRIES = 8;
/** Inactivity timer, copying, and the boot after it. */
const SETTLE_MS = 200_000;
const PRIVATE_KEY = new Uint8Array(32).fill(5);

export interface NordicRound {
  readonly seed: number;
  /** What the round was, for people. */
  readonly story: string;
  readonly tries: number;
  /** What should not have been; empty when all is well. */
  readonly broken: readonly string[];
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** One device from its factory image to the new one, whatever happens on the way. */
export function nordicRound(seed: number): NordicRound {
  const random = seededRandom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const chance = (share: number): boolean => random() < share;
  const sdk = pick(SDKS);
  const serial = Number.parseInt(sdk, 10) >= 13 && chance(0.3);
  const banks = pick(['dual', 'single'] as const);
  const buttonless = sdk === '12' ? 'experimental' : pick(['open', 'bonded'] as const);
  const at = (): number =>
    chance(0.4) ? PAGE * Math.ceil((random() * IMAGE_BYTES) / PAGE) : 1 + Math.floor(random() * IMAGE_BYTES);
  const faults: FaultPlan = {
    seed,
    disconnectAtByte: Array.from({ length: Math.floor(random() * 4) }, at),
    ...(chance(0.4) && { powerCutAtByte: at() }),
    ...(chance(0.3) && { rebootAtByte: at() }),
    ...(chance(0.3) && { lossRate: random() * 0.01 }),
    ...(chance(0.2) && { corruptRate: random() * 0.001 }),
    ...(chance(0.3) && { slowFlash: 1 + random() * 4 }),
    ...(chance(0.3) && { maxMtu: pick([23, 65, 128, 185]) }),
  };
  const old = makeDemoFirmware({ model: 'soak', version: '1.0.0', sizeBytes: 30_000, seed: 1 });
  const image = makeDemoFirmware({ model: 'soak', version: '2.0.0', sizeBytes: IMAGE_BYTES, seed: 2 });
  const scheduler = new VirtualScheduler();
  const device = createSecureDfuDevice({
    scheduler,
    model: 'soak',
    application: old,
    publicKey: nordicPublicKeyOf(PRIVATE_KEY).slice(1),
    sdk,
    banks,
    buttonless,
    faults,
    ...(serial && { transport: pick(['uart', 'usb'] as const), startsInBootloader: true }),
  });
  const file = makeNordicPackage({
    application: image,
    hwVersion: 52,
    fwVersion: 2,
    sdReq: [0x0101],
    privateKey: PRIVATE_KEY,
  });
  const story = `SDK ${sdk}, ${serial ? 'serial' : buttonless}, ${banks}, ${JSON.stringify(faults)}`;
  const broken: string[] = [];
  let tries = 0;
  for (let done = false; !done && tries < MAX_TRIES;) {
    tries += 1;
    const outcome = tryOnce(device, scheduler, file);
    scheduler.runUntil(() => false, SETTLE_MS);
    const runs = device.flash.runningImageSha256();
    done = outcome.outcome === 'proven' || outcome.outcome === 'skipped' || runs === digest(image);
    broken.push(...judge(outcome, runs, digest(old), digest(image)).map((what) => `try ${tries}: ${what}`));
    // A unit on a serial line that runs its old application again is put into its bootloader by hand; here it ends.
    if (serial && !done && !outcome.needsRescue && runs !== undefined) break;
  }
  if (device.flash.runningImageSha256() === undefined) broken.push('the unit was left without an application');
  return { seed, story, tries, broken };
}

function tryOnce(device: SecureDfuDevice, scheduler: VirtualScheduler, file: Uint8Array): UpdateOutcome {
  const request: UpdateRequest = {
    artifact: describeNordicPackage(file),
    allowDowngrade: false,
    confirm: 'after-proof',
    versionProves: true,
    expectVersion: '2.0.0',
    returnWithinMs: 60_000,
  };
  return runInVirtualTime((link: LinkInfo) => secureDfu.update(link, request), device, {
    scheduler,
    model: { ble: { bonded: true } },
    payloads: secureDfu.payloads(file),
  }).outcome;
}

/** What an outcome promises, against what the flash holds. */
function judge(outcome: UpdateOutcome, runs: string | undefined, old: string, image: string): string[] {
  const wrong: string[] = [];
  const said = JSON.stringify(outcome).slice(0, 300);
  if ((outcome.outcome === 'proven' || outcome.outcome === 'unproven') && runs !== image) {
    wrong.push(`called ${outcome.outcome}, and another image runs: ${said}`);
  }
  if (runs !== undefined && runs !== old && runs !== image) wrong.push(`an image runs that nobody sent: ${said}`);
  if (outcome.outcome === 'failed' && !outcome.needsRescue && runs === undefined) {
    wrong.push(`said to need no rescue, and no application runs: ${said}`);
  }
  if (outcome.outcome === 'failed' && outcome.code === 'internal.invariant') wrong.push(`a bug: ${said}`);
  return wrong;
}

/** @returns the rounds in which something was wrong. */
export function soakNordic(options: {
  readonly rounds: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}): readonly NordicRound[] {
  const broken: NordicRound[] = [];
  for (let round = 0; round < options.rounds; round += 1) {
    const result = nordicRound(options.seed + round);
    if (result.broken.length > 0) {
      broken.push(result);
      options.say(`seed ${result.seed}: ${result.story}`);
      for (const what of result.broken) options.say(`  ${what}`);
    }
    if ((round + 1) % 100 === 0) options.say(`${round + 1} devices, ${broken.length} with something wrong`);
  }
  return broken;
}
