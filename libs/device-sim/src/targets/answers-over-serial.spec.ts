/**
 * What counts as an answer where a line also carries logs: the session says it, for the fence of `startBy` stands until
 * then. A unit that fell silent behind a console that goes on talking has not answered.
 */
import { describe, expect, it } from '@jest/globals';
import {
  bgapiDfu,
  csrDfu,
  csrPayloads,
  describeArtifact,
  geckoXmodem,
  legacySerial,
  makeCsrDfu,
  makeLegacyPackage,
  secureDfu,
  smp,
  type Effect,
  type LinkInfo,
  type Protocol,
  type Session,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import type { LinkModel } from '../links/link-model.js';
import { runInVirtualTime } from '../links/virtual-run.js';
import { VirtualScheduler } from '../scheduler/virtual-scheduler.js';
import type { SimulatedDevice } from '../target.js';
import { createCsrBc127Device } from './csr-bc127/csr-bc127-device.js';
import { createLegacySerialDevice } from './legacy-serial/legacy-serial-device.js';
import { PACKAGE, serialUnit } from './secure-dfu/conversation.fixture.js';
import { FILE as GBL, unit as silabsUnit } from './silabs/conversation.fixture.js';
import { bench as smpBench, NEW as SMP_IMAGE } from './smp/conversation.fixture.js';

interface Unit {
  readonly scheduler: VirtualScheduler;
  readonly device: SimulatedDevice;
}

interface Case {
  readonly protocol: Protocol;
  readonly file: Uint8Array;
  readonly make: () => Unit;
  readonly linkOptions?: Readonly<Record<string, string>>;
  readonly model?: LinkModel;
}

const noise = (bytes: number, step: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, at) => (at * step) & 0xff);
const bc127 = (version: string, step: number): Uint8Array =>
  makeCsrDfu({
    description: `Melody Audio V${version}`,
    program: noise(12_000, step),
    variant: 'standard',
    applicationStore: [{ action: 'clear', key: 0x028a }],
    fileSystem: noise(3000, step + 1),
  });
const OLD_MELODY = bc127('7.1 1526925062', 7);
const NEW_MELODY = bc127('7.3 1544637564', 11);

function feather(): Unit {
  const scheduler = new VirtualScheduler();
  const application = noise(16_000, 3);
  return { scheduler, device: createLegacySerialDevice({ scheduler, application, startsInBootloader: true }) };
}

function module(): Unit {
  const scheduler = new VirtualScheduler();
  const application = csrPayloads(OLD_MELODY).get('image:0') ?? new Uint8Array();
  return { scheduler, device: createCsrBc127Device({ scheduler, application }) };
}

const CASES: readonly (readonly [string, Case])[] = [
  ['SMP over a console', { protocol: smp, file: SMP_IMAGE, make: () => smpBench({ transport: 'console' }) }],
  [
    'SMP over a raw UART',
    {
      protocol: smp,
      file: SMP_IMAGE,
      make: () => smpBench({ transport: 'raw' }),
      linkOptions: { framing: 'raw' },
    },
  ],
  ['Secure DFU', { protocol: secureDfu, file: PACKAGE, make: () => serialUnit() }],
  [
    'legacy serial',
    {
      protocol: legacySerial,
      file: makeLegacyPackage({ application: noise(30_004, 5), deviceType: 0x52, softdevices: [0xfffe] }),
      make: feather,
    },
  ],
  ['BGAPI', { protocol: bgapiDfu, file: GBL, make: () => silabsUnit({ access: 'bgapi' }) }],
  [
    'a menu with XMODEM',
    { protocol: geckoXmodem, file: GBL, make: () => silabsUnit({ access: 'xmodem', application: undefined }) },
  ],
  [
    'BCSP behind a command line',
    {
      protocol: csrDfu,
      file: NEW_MELODY,
      make: module,
      linkOptions: { loader: 'simulated', variant: 'standard' },
      model: { serial: { line: { baud: 9600 } } },
    },
  ],
];

interface Seen {
  touched: boolean;
  sends: number;
  answered: number;
}

const TICK = new TextEncoder().encode('[00:00:01.000] <inf> app: tick\r\n');
const TICK_MS = 100;

/** The session as it is; after `touched` only `chatter` reaches it, where there is one. */
function* watched(
  session: Session<UpdateOutcome>,
  seen: Seen,
  chatter?: (sent: Uint8Array) => Uint8Array,
): Session<UpdateOutcome> {
  let sent: Uint8Array = new Uint8Array();
  let step = session.next();
  while (!step.done) {
    const effect: Effect = step.value;
    if (effect.kind === 'send' && seen.touched) {
      seen.sends += 1;
      sent = effect.bytes;
    }
    if (effect.kind === 'answered') {
      seen.answered += 1;
      expect([seen.touched, seen.sends > 0]).toEqual([true, true]);
    }
    if (effect.kind === 'await' && seen.touched && chatter) {
      const waitedMs = Math.min(TICK_MS, effect.withinMs);
      yield { kind: 'sleep', withinMs: waitedMs };
      const bytes = chatter(sent);
      const [channel = ''] = effect.channels;
      step = session.next(
        waitedMs < effect.withinMs && bytes.length > 0
          ? { kind: 'frame', channel, bytes, waitedMs }
          : { kind: 'timeout' },
      );
      continue;
    }
    const input = yield effect;
    if (effect.kind === 'mark' && effect.step === 'touched' && input.kind === 'done') seen.touched = true;
    step = session.next(input);
  }
  return step.value;
}

function play(
  { protocol, file, make, linkOptions = {}, model = {} }: Case,
  chatter?: (sent: Uint8Array) => Uint8Array,
): { readonly seen: Seen; readonly outcome: UpdateOutcome } {
  const { scheduler, device } = make();
  const request: UpdateRequest = {
    artifact: describeArtifact(file),
    allowDowngrade: false,
    confirm: 'after-proof',
    versionProves: false,
    returnWithinMs: 5000,
    linkOptions,
  };
  const seen: Seen = { touched: false, sends: 0, answered: 0 };
  const { outcome } = runInVirtualTime(
    (link: LinkInfo) => watched(protocol.update(link, request), seen, chatter),
    device,
    { scheduler, model, payloads: protocol.payloads(file) },
  );
  return { seen, outcome };
}

describe.each(CASES)('%s: the first answer after touched', (_, each) => {
  it('is told once, when the unit gives one', () => {
    const { seen, outcome } = play(each);
    expect(outcome.outcome).toMatch(/^(proven|unproven)$/);
    expect(seen).toMatchObject({ touched: true, answered: 1 });
  });

  it('is not a log that goes on', () => {
    const { seen } = play(each, () => TICK);
    expect(seen).toMatchObject({ touched: true, answered: 0 });
    expect(seen.sends).toBeGreaterThan(0);
  });
});

// An answer of BGAPI may be spelled as its command, and BCSP greets both ways alike: there a loop cannot be told.
const ONE_WAY = CASES.filter(([, { protocol }]) => protocol !== bgapiDfu && protocol !== csrDfu);

it.each(ONE_WAY)('%s: a console that repeats what it hears answers nothing', (_, each) => {
  const { seen } = play(each, (sent) => sent);
  expect(seen).toMatchObject({ touched: true, answered: 0 });
  expect(seen.sends).toBeGreaterThan(0);
});
