/**
 * Silicon Labs, TI and CSR units under fault plans in which everything that a plan can hold comes together at random. What
 * an update says of its unit must be true, and so must what the next one says.
 */
import { describe, expect, it } from '@jest/globals';
import { bgapiDfu, geckoXmodem, silabsOta, type Protocol, type UpdateOutcome } from '@drydock/dfu-core';
import fc from 'fast-check';
import type { FaultPlan } from '../target.js';
import * as csr from './csr-bc127/conversation.fixture.js';
import * as silabs from './silabs/conversation.fixture.js';
import type { SilabsOptions } from './silabs/options.js';
import * as ti from './ti-oad/conversation.fixture.js';

interface Subject {
  readonly name: string;
  /** In the vendor's words, as `FaultPlan.refuse` names them. */
  readonly requests: readonly string[];
  readonly fileBytes: number;
  open(faults: FaultPlan): { update(): UpdateOutcome; settle(): void; runs(): 'old' | 'new' | 'nothing' | 'other' };
}

const RUNS = Number(process.env['DRYDOCK_ROUNDS'] ?? 12);

function silabsSubject(
  name: string,
  protocol: Protocol,
  requests: readonly string[],
  options: Partial<SilabsOptions> & Pick<SilabsOptions, 'access'>,
  linkOptions: Readonly<Record<string, string>> = {},
): Subject {
  return {
    name,
    requests,
    fileBytes: silabs.FILE.length,
    open: (faults) => {
      const story = silabs.unit({ ...options, faults });
      return {
        update: () => silabs.update(protocol, story, silabs.FILE, { linkOptions, returnWithinMs: 20_000 }).outcome,
        settle: () => story.scheduler.advance(60_000),
        runs: () => {
          const sha256 = silabs.runs(story);
          if (sha256 === undefined) return 'nothing';
          return sha256 === silabs.SHA_NEW ? 'new' : sha256 === silabs.SHA_OLD ? 'old' : 'other';
        },
      };
    },
  };
}

const SUBJECTS: readonly Subject[] = [
  silabsSubject('BGAPI, Gecko Bootloader 2', bgapiDfu, ['upload', 'finish'], { access: 'bgapi' }),
  silabsSubject(
    'BGAPI, robust frames',
    bgapiDfu,
    ['upload'],
    { access: 'bgapi', framing: 'robust' },
    { framing: 'robust' },
  ),
  silabsSubject('BGAPI, Gecko Bootloader 1', bgapiDfu, ['upload', 'finish'], {
    access: 'bgapi',
    generation: 'gecko-1',
  }),
  silabsSubject(
    'XMODEM',
    geckoXmodem,
    ['block'],
    { access: 'xmodem', applicationSpeaksBgapi: true },
    { application: 'bgapi' },
  ),
  silabsSubject('AppLoader', silabsOta, ['enter', 'data', 'finish'], { access: 'apploader' }),
  silabsSubject('OTA in the application', silabsOta, ['data'], { access: 'application-ota' }),
  ...ti.VARIANTS.map((variant): Subject => {
    const [older, newer] = [1, 2].map((release) => ti.fileFor(variant, release, { sizeBytes: 4000 }));
    return {
      name: `TI ${variant}`,
      requests: ['identify', 'start', 'block', 'complete', 'enable'],
      fileBytes: newer!.length,
      open: (faults) => {
        const story = ti.unit(variant, { image: older!, faults });
        return {
          update: () => ti.update(story, newer!, { returnWithinMs: 20_000 }).outcome,
          settle: () => story.scheduler.advance(60_000),
          runs: () => {
            if (ti.runs(story) === undefined) return 'nothing';
            return ti.runsFile(story, newer!) ? 'new' : ti.runsFile(story, older!) ? 'old' : 'other';
          },
        };
      },
    };
  }),
  {
    name: 'BC127',
    requests: ['DFU', 'dnload', 'manifest'],
    fileBytes: csr.bodyOf(csr.NEW).length,
    open: (faults) => {
      const story = csr.module({ faults });
      return {
        update: () => csr.update(story, csr.NEW, { returnWithinMs: 20_000 }).outcome,
        settle: () => story.scheduler.advance(60_000),
        runs: () => {
          const sha256 = csr.runs(story);
          if (sha256 === undefined) return 'nothing';
          const names = { [csr.sha256(csr.bodyOf(csr.NEW))]: 'new', [csr.sha256(csr.bodyOf(csr.OLD))]: 'old' } as const;
          return names[sha256] ?? 'other';
        },
      };
    },
  },
];

function plans({ requests, fileBytes }: Subject): fc.Arbitrary<FaultPlan> {
  const frames = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 3 });
  const at = fc.integer({ min: 1, max: fileBytes });
  const rate = fc.constantFrom(0.002, 0.02, 0.1);
  return fc.record(
    {
      seed: fc.integer({ min: 1, max: 1e6 }),
      dropToDevice: frames,
      dropToHost: frames,
      corruptToDevice: frames,
      corruptToHost: frames,
      lossRate: rate,
      corruptRate: rate,
      stallAtFrame: fc.integer({ min: 1, max: 60 }),
      stallMs: fc.constantFrom(200, 2000, 8000),
      rebootAtByte: at,
      powerCutAtByte: at,
      disconnectAtByte: fc.array(at, { maxLength: 3 }),
      refuse: fc.record({ request: fc.constantFrom(...requests), code: fc.integer({ min: 1, max: 15 }) }),
      muteAfterActivation: fc.constant(true),
      keepOldImage: fc.constant(true),
      slowFlash: fc.constantFrom(2, 10),
      maxMtu: fc.constantFrom(23, 60, 247),
      rebootMs: fc.constantFrom(10, 3000),
    },
    { requiredKeys: [] },
  );
}

const ENDS = ['proven', 'unproven', 'skipped', 'failed', 'reverted', 'cancelled'];

describe('whatever comes together', () => {
  it.each(SUBJECTS.map((subject) => [subject.name, subject] as const))(
    '%s: what is said is true',
    (_, subject) => {
      fc.assert(
        fc.property(plans(subject), (plan) => {
          const unit = subject.open(plan);
          // One that stays mute cannot be opened a second time.
          for (let attempt = 1; attempt <= (plan.muteAfterActivation ? 1 : 2); attempt++) {
            const outcome = unit.update();
            unit.settle();
            const runs = unit.runs();
            expect(ENDS).toContain(outcome.outcome);
            // No unit ever runs a byte that nobody sent.
            expect(runs).not.toBe('other');
            if (outcome.outcome === 'proven') expect(runs).toBe('new');
            if (outcome.outcome === 'failed') expect(outcome.code).not.toMatch(/^internal\./);
            // Who never got an answer knows nothing of its own; what was known before holds on.
            const hasLooked = attempt === 1 || outcome.before !== undefined;
            if (runs === 'nothing' && hasLooked) expect(outcome.needsRescue).toBe(true);
          }
        }),
        { numRuns: RUNS },
      );
    },
    60_000,
  );
});
