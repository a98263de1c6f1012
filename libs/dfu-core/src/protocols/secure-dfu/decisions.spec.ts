/** The parts that decide without a link: addresses, fit, judgement, refusals, pace. */
import { describe, expect, it } from '@jest/globals';
import type { ArtifactDescription } from '../../image/description.js';
import { describeNordicPackage } from '../../image/nordic/describe-package.js';
import { makeNordicPackage, makeNordicPackageOf } from '../../image/nordic/make-package.js';
import type { Identification, UpdateRequest } from '../../session/protocol.js';
import { applicationAddress, bootloaderAddress } from './addresses.js';
import { buttonlessError, refusalError } from './errors.js';
import { fit, isOlder } from './fit.js';
import { judge, type Verdict } from './judge.js';
import { ObjectType, Opcode } from './messages.js';
import { BLE_LEVELS, Pace } from './pace.js';
import { secureDfu } from './session.js';

const IMAGE = Uint8Array.from({ length: 32 }, (_, i) => i);
const part = { hwVersion: 52, fwVersion: 7, sdReq: [0x0101] };
const ARTIFACT = describeNordicPackage(makeNordicPackage({ ...part, application: IMAGE }));
const ADDRESS = 'cd:e3:4a:47:1c:e4';

const application = (change: Partial<Identification> = {}): Identification => ({
  protocol: 'secure-dfu',
  mode: 'application',
  identity: { kind: 'ble-address', value: ADDRESS },
  hardware: { buttonless: 'without-bonds', serialNumber: 'SN-1' },
  running: [{ image: 0, version: '1.0.0' }],
  ...change,
});
const bootloader = (change: Partial<Identification> = {}): Identification =>
  application({ mode: 'bootloader', hardware: {}, running: [], ...change });

describe('addresses', () => {
  it.each([
    ['c1:00:00:00:00:ff', 'c1:00:00:00:00:00'],
    ['cd:e3:4a:47:1c:e4', 'cd:e3:4a:47:1c:e5'],
  ])('%s goes to %s and back', (app, boot) => {
    expect(bootloaderAddress(app)).toBe(boot);
    expect(applicationAddress(boot)).toBe(app);
    expect(bootloaderAddress(app.toUpperCase())).toBe(boot);
  });

  it('leaves alone what is no address', () => {
    expect(bootloaderAddress('0f3c8d2e-0000-4000-8000-000000000000')).toBe('0f3c8d2e-0000-4000-8000-000000000000');
  });
});

describe('recognise', () => {
  const seen = (services: string[], link: 'ble' | 'serial' = 'ble'): string | undefined =>
    secureDfu.recognise({ link, address: ADDRESS, services });
  it('takes the service for a bootloader, and nothing else', () => {
    expect(seen(['fe59'])).toBe('bootloader');
    expect(seen(['8e400001f3154f609fb8838830daea50'])).toBe('application');
    expect(seen(['180a'])).toBeUndefined();
    expect(seen(['fe59'], 'serial')).toBeUndefined();
  });
});

describe('fit', () => {
  const code = (found: Identification, artifact: ArtifactDescription = ARTIFACT, allow = {}): string => {
    const result = fit(found, artifact, { allowDowngrade: false, ...allow });
    return result.fits ? 'fits' : result.code;
  };
  const described = (key: 'softdevice' | 'bootloader'): ArtifactDescription =>
    describeNordicPackage(makeNordicPackageOf({ [key]: { ...part, bytes: IMAGE } }));
  const debug = describeNordicPackage(makeNordicPackage({ ...part, application: IMAGE, isDebug: true }));

  it('takes an application for an application or a bootloader', () => {
    expect(code(application())).toBe('fits');
    expect(code(bootloader())).toBe('fits');
  });

  it.each([
    ['without-bonds', 'fits'],
    ['with-bonds', 'fits'],
    ['experimental', 'fits'],
    [undefined, 'target.wrong-kind'],
  ])('judges the way in called %s', (buttonless, expected) => {
    expect(code(application({ hardware: buttonless ? { buttonless } : {} }))).toBe(expected);
  });

  it('refuses other formats, and takes every kind of image', () => {
    expect(code(application(), { ...ARTIFACT, format: 'mcuboot' })).toBe('artifact.wrong-model');
    expect(code(application(), described('softdevice'))).toBe('fits');
    expect(code(application(), described('bootloader'))).toBe('fits');
  });

  it('refuses a SoftDevice that is known not to fit, and leaves alone what nobody knows', () => {
    const with_ = (softDevice: string): Identification =>
      application({ hardware: { buttonless: 'without-bonds', softDevice } });
    expect(code(with_('0x0102'))).toBe('artifact.requires');
    expect(code(with_(String(ARTIFACT.hardware['sdReq'])))).toBe('fits');
    expect(code(application())).toBe('fits');
  });

  it('refuses the bootloader that is there, unless other images follow it', () => {
    const installed = [{ image: 2, version: '7' }];
    expect(code(bootloader({ installed }), described('bootloader'))).toBe('artifact.downgrade');
    expect(code(bootloader({ installed: [{ image: 2, version: '6' }] }), described('bootloader'))).toBe('fits');
    const both = describeNordicPackage(
      makeNordicPackageOf({ bootloader: { ...part, bytes: IMAGE }, application: { ...part, bytes: IMAGE } }),
    );
    expect(code(bootloader({ installed }), both)).toBe('fits');
  });

  it('refuses an image that is larger than the flash of the chip', () => {
    expect(code(bootloader({ hardware: { romBytes: IMAGE.length - 1 } }))).toBe('target.no-memory');
    expect(code(bootloader({ hardware: { romBytes: IMAGE.length } }))).toBe('fits');
  });

  it('refuses a debug build unless it is allowed by name', () => {
    expect(code(application(), debug)).toBe('artifact.debug');
    expect(code(application(), debug, { allowDebug: true })).toBe('fits');
  });

  it('refuses other hardware and older versions, where the bootloader states them', () => {
    expect(code(bootloader({ hardware: { hwVersion: 51 } }))).toBe('artifact.wrong-hardware');
    expect(code(bootloader({ hardware: { hwVersion: 52 } }))).toBe('fits');
    expect(code(bootloader({ installed: [{ image: 0, version: '8' }] }))).toBe('artifact.downgrade');
    expect(code(bootloader({ installed: [{ image: 0, version: '8' }] }), ARTIFACT, { allowDowngrade: true })).toBe(
      'fits',
    );
    expect(code(bootloader({ installed: [{ image: 0, version: '7' }] }))).toBe('fits');
  });

  it.each([
    ['1.9', '1.10.0', true],
    ['1.10.0', '1.9', false],
    ['v1.0.0', '1.0', false],
    ['1.0.0', '1.0.1', true],
    ['1.0.0-rc1', '1.0.0', false],
    ['abc', '1.0.0', false],
    [undefined, '1.0.0', false],
  ])('%s older than %s: %s', (version, than, older) => {
    expect(isOlder(version, than)).toBe(older);
  });
});

describe('judgement', () => {
  const updated = (change: Partial<Identification> = {}): Identification =>
    application({ running: [{ image: 0, version: '1.1.0' }], ...change });
  const request: Pick<UpdateRequest, 'artifact' | 'expectVersion' | 'versionProves'> = {
    artifact: ARTIFACT,
    expectVersion: '1.1.0',
    versionProves: true,
  };
  const verdict = (
    before: Identification | undefined,
    after: Identification,
    change: Partial<typeof request> = {},
  ): string => {
    const result: Verdict = judge(before, after, [ADDRESS], { ...request, ...change });
    if (result.outcome === 'unproven') return result.reason;
    return result.outcome === 'failed' ? result.code : result.outcome;
  };

  it.each<[string, Identification | undefined, Identification, Partial<typeof request>, string]>([
    ['the expected version, another one before', application(), updated(), {}, 'proven'],
    ['no version before', application({ running: [] }), updated(), {}, 'proven'],
    ['found in the bootloader before', bootloader(), updated(), {}, 'proven'],
    ['the bootloader answers', application(), bootloader(), {}, 'target.in-bootloader'],
    [
      'another address',
      application(),
      updated({ identity: { kind: 'ble-address', value: 'cd:e3:4a:47:1c:aa' } }),
      {},
      'target.wrong-identity',
    ],
    [
      'another serial number',
      application(),
      updated({ hardware: { serialNumber: 'SN-2' } }),
      {},
      'target.wrong-identity',
    ],
    ['no serial number any more', application(), updated({ hardware: {} }), {}, 'identity-not-readable'],
    ['no version', application(), updated({ running: [] }), {}, 'version-not-readable'],
    ['nothing is expected', application(), updated(), { expectVersion: undefined }, 'version-ambiguous'],
    ['the old version', application(), application(), {}, 'target.wrong-image-runs'],
    [
      'a third version',
      application(),
      updated({ running: [{ image: 0, version: '9' }] }),
      {},
      'target.wrong-image-runs',
    ],
    ['the same version before', updated(), updated(), {}, 'version-unchanged'],
    ['other files carry the version', application(), updated(), { versionProves: false }, 'version-ambiguous'],
    ['nobody saw it before', undefined, updated(), {}, 'did-not-see-it-leave'],
  ])('%s', (_, before, after, change, expected) => {
    expect(verdict(before, after, change)).toBe(expected);
  });
});

describe('refusals', () => {
  const execute = (result: number, extended?: number): { refused: number; result: number; extended?: number } => ({
    refused: Opcode.Execute,
    result,
    ...(extended === undefined ? {} : { extended }),
  });

  it.each([
    [0x04, 'target.refused-image', 'lacks a field'],
    [0x05, 'artifact.downgrade', '7'],
    [0x06, 'artifact.wrong-hardware', '52'],
    [0x07, 'artifact.requires', '0x0101'],
    [0x08, 'artifact.unsigned', 'signed'],
    [0x09, 'target.refused-image', 'hash'],
    [0x0a, 'target.refused-image', 'hash'],
    [0x0b, 'target.refused-image', 'signature'],
    [0x0c, 'target.refused-image', 'does not have the hash'],
    [0x0d, 'target.refused-image', 'no room'],
    [0x00, 'target.refused-image', 'names no reason'],
    [0x77, 'target.refused-image', 'no document'],
  ])('extended error %d is %s', (extended, code, text) => {
    const error = refusalError(execute(0x0b, extended), ObjectType.Command, ARTIFACT, 0);
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(text)]);
    expect(error.params['result']).toContain('0x0b/');
  });

  it.each([
    [ObjectType.Command, 0x05, 'artifact.signature'],
    [ObjectType.Command, 0x0a, 'target.refused-image'],
    [ObjectType.Data, 0x05, 'target.refused-image'],
    [ObjectType.Data, 0x04, 'target.no-memory'],
    [ObjectType.Data, 0x02, 'target.refused'],
    [ObjectType.Data, 0x99, 'target.refused'],
  ])('object %d, result %d is %s', (doing, result, code) => {
    expect(refusalError(execute(result), doing, ARTIFACT, 0).code).toBe(code);
  });

  it('of the buttonless service are told apart', () => {
    expect([0x02, 0x04, 0x06, 0x07, 0x55].map((result) => buttonlessError(result, 'x').code)).toEqual([
      'target.refused',
      'target.refused',
      'target.busy',
      'link.auth-required',
      'target.refused',
    ]);
  });
});

describe('pace', () => {
  it('gets careful by steps and recovers after enough clean objects', () => {
    const pace = new Pace(BLE_LEVELS);
    const seen: (readonly [number, boolean, number | undefined])[] = [];
    for (let i = 0; i < 6; i++) {
      seen.push([pace.pauseAfterCreateMs, pace.checksumBeforeExecute, pace.waitEveryPackets]);
      pace.slowDown();
    }
    expect(seen).toEqual([
      [0, false, undefined],
      [100, true, undefined],
      [400, true, undefined],
      [400, true, 8],
      [400, true, 1],
      [400, true, 1],
    ]);
    const once = new Pace(BLE_LEVELS);
    once.slowDown();
    for (let i = 0; i < 15; i++) once.wentWell();
    expect(once.checksumBeforeExecute).toBe(true);
    once.wentWell();
    expect(once.checksumBeforeExecute).toBe(false);
    once.slowDown();
    for (let i = 0; i < 63; i++) once.wentWell();
    expect(once.checksumBeforeExecute).toBe(true);
    once.wentWell();
    expect(once.checksumBeforeExecute).toBe(false);
  });
});
