/** What a person at the gateway does with SMP devices: pack, inspect, scan, identify, update, single requests. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createSmpDevice,
  makeDemoFirmware,
  RealScheduler,
  serveH4,
  serveSerial,
  serveUdp,
  SimulatedController,
  WallClock,
  type SmpOptions,
} from '@drydock/device-sim';
import { describeArtifact } from '@drydock/dfu-core';
import { identify, update } from './by-hand.js';
import { inspect } from './inspect.js';
import { packMcubootImage, packMcubootPackage } from './make-mcuboot-files.js';
import { Command } from 'commander';
import { addPack } from './pack.js';
import { scan } from './scan.js';
import { tellDevice } from './smp-device.js';
import { parseDeviceCommand } from './smp-words.js';

let folder = '';
let said = '';
const at = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-smp-'));
  said = '';
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => ((said += String(text)), true));
  jest.spyOn(process.stderr, 'write').mockImplementation((text) => ((said += String(text)), true));
});

afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

const KINDS = {
  ed25519: () => generateKeyPairSync('ed25519'),
  p256: () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }),
  rsa: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
};

/** A key pair as two PEM files. */
function writeKey(name: string, kind: keyof typeof KINDS = 'ed25519'): { key: string; pub: string } {
  const { privateKey, publicKey } = KINDS[kind]();
  writeFileSync(at(`${name}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(at(`${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }));
  return { key: at(`${name}.pem`), pub: at(`${name}.pub`) };
}

/** Packs version 1.`minor`.0. */
async function pack(minor: number, more: object = {}): Promise<string> {
  const body = at(`body-${minor}.bin`);
  writeFileSync(
    body,
    makeDemoFirmware({ model: 'demo-board', version: `1.${minor}.0`, sizeBytes: 20_000, seed: minor }),
  );
  const out = at(`app-${minor}.img`);
  const options = {
    body,
    out,
    imageVersion: `1.${minor}.0`,
    headerSize: '0x200',
    hash: 'sha256' as const,
    dependency: [],
  };
  expect(await packMcubootImage({ ...options, ...more })).toBe(0);
  return out;
}

function unit(image: string, options: Partial<SmpOptions>, scheduler: SmpOptions['scheduler'] = new RealScheduler()) {
  const quick = { processMs: 0, resetDelayMs: 10, rebootMs: 20, swapMs: 20, advertisingIntervalMs: 20 };
  const flash = { pageBytes: 4096, eraseMsPerPage: 0.1, writeUsPerWord: 0.1 };
  return createSmpDevice({ scheduler, image: new Uint8Array(readFileSync(image)), ...quick, flash, ...options });
}

describe('pack and inspect', () => {
  it.each(['ed25519', 'p256'] as const)('an image signed with %s, checked with the key that is given', async (kind) => {
    const mine = writeKey('mine', kind);
    const other = writeKey('other', kind);
    const file = await pack(3, { key: mine.key, securityCounter: '7', dependency: ['1:2.0.0'] });
    expect(await inspect(file, { key: mine.pub })).toBe(0);
    expect(said).toMatch(/verified {4}every image/);
    expect(said).toMatch(/security counter 7/);
    expect(await inspect(file, { key: other.pub })).toBe(2);
    expect(await inspect(file, { key: writeKey('rsa', 'rsa').pub })).toBe(2);
    expect(await inspect(await pack(4), { key: mine.pub })).toBe(2);
  });

  it('Intel HEX, and packages', async () => {
    const hex = await pack(5, { hexAddress: '0xc000', out: at('app.hex') }).then(() => at('app.hex'));
    expect(describeArtifact(new Uint8Array(readFileSync(hex))).format).toBe('mcuboot-hex');
    const parts = [`0=${await pack(1)}`, `1=${await pack(2)}`];
    expect(await packMcubootPackage({ image: parts, out: at('app.zip'), name: 'demo' })).toBe(0);
    said = '';
    expect(await inspect(at('app.zip'), { json: true })).toBe(0);
    expect(JSON.parse(said)).toMatchObject({ format: 'mcuboot-zip', images: [{ image: 0 }, { image: 1 }] });
  });

  it('says what is wrong with what it is given', async () => {
    const rsa = writeKey('rsa', 'rsa');
    for (const [more, says] of [
      [{ imageVersion: '1.x' }, 'no version'],
      [{ key: rsa.key }, 'Ed25519 or EC P-256'],
      [{ key: at('absent.pem') }, 'absent.pem'],
      [{ headerSize: '7' }, 'hdr_size'],
      [{ dependency: ['x'] }, '--dependency'],
      [{ romFixed: '0x1ffffffff' }, '--rom-fixed'],
      [{ hash: 'md5' }, '--hash'],
    ] as const) {
      said = '';
      writeFileSync(at('body.bin'), new Uint8Array(300));
      const options = {
        body: at('body.bin'),
        out: at('x.img'),
        imageVersion: '1.0.0',
        headerSize: '0x200',
        dependency: [],
      };
      expect(await packMcubootImage({ ...options, hash: 'sha256', ...more } as never)).toBe(2);
      expect(said).toContain(says);
    }
    expect(await packMcubootPackage({ image: ['nonsense'], out: at('x.zip') })).toBe(2);
    expect(await inspect(at('absent.bin'), {})).toBe(2);
  });

  it('is a command with its formats below it', () => {
    const program = new Command();
    addPack(program);
    expect(program.commands[0]?.commands.map((command) => command.name())).toEqual(
      expect.arrayContaining(['mcuboot', 'mcuboot-package']),
    );
  });
});

describe('update by hand', () => {
  it('over a UART: proven, then already running, both with status 0; a key that did not sign refuses it', async () => {
    const mine = writeKey('mine');
    const file = await pack(1, { key: mine.key });
    const device = unit(await pack(0, { key: mine.key }), { bufSize: 1024 });
    const service = serveSerial(device.serial!, { pacing: 'unpaced' });
    const link = `serial:${service.path}?baud=4000000`;
    try {
      expect(await update({ file, link, key: writeKey('other').pub, json: true })).toBe(2);
      said = '';
      expect(await update({ file, link, key: mine.pub, json: true })).toBe(0);
      expect(JSON.parse(said)).toMatchObject({ outcome: 'proven', before: '1.0.0', after: '1.1.0' });
      said = '';
      expect(await update({ file, link, json: true })).toBe(0);
      expect(JSON.parse(said)).toMatchObject({ outcome: 'already-running', code: null, bytes: 0 });
      said = '';
      expect(await identify({ link })).toBe(0);
      expect(said).toMatch(/slot {8}image 0 slot 0: 1\.1\.0 active confirmed bootable/);
      const newest = await pack(2, { key: mine.key });
      said = '';
      expect(await update({ file: newest, link: `${link}&via=recovery`, json: true })).toBe(0);
      expect(JSON.parse(said)).toMatchObject({ outcome: 'proven', after: '1.2.0' });
    } finally {
      await service.close();
    }
  }, 30_000);

  it.each<[string, Partial<SmpOptions>, string]>([
    ['a raw UART', { transport: 'raw' }, '&framing=raw'],
    ['UDP', { transport: 'udp', bufSize: 2048, bufCount: 2 }, ''],
  ])(
    'over %s',
    async (_, options, more) => {
      const device = unit(await pack(0), options);
      const service =
        options.transport === 'udp'
          ? await serveUdp(device.serial!)
          : serveSerial(device.serial!, { pacing: 'unpaced' });
      const link = 'endpoint' in service ? `udp:${service.endpoint}` : `serial:${service.path}?baud=4000000${more}`;
      try {
        expect(await update({ file: await pack(1), link, json: true })).toBe(0);
        expect(said).toContain('"outcome":"proven"');
      } finally {
        await service.close();
      }
    },
    30_000,
  );
});

describe('single requests', () => {
  it('asks a device, and tells its refusals by name', async () => {
    const device = unit(await pack(0), {});
    const service = serveSerial(device.serial!, { pacing: 'unpaced' });
    const link = `serial:${service.path}?baud=4000000`;
    const ask = (word: string, value?: string) => tellDevice(parseDeviceCommand(word, value, {}), { link, json: true });
    try {
      said = '';
      expect(await ask('echo', 'hello')).toBe(0);
      expect(JSON.parse(said)).toEqual({ text: 'hello' });
      expect(await ask('time')).toBe(1);
      expect(said).toContain('RTC_NOT_SET');
      expect(await ask('time', '2026-11-20T10:00:00')).toBe(0);
      expect(await ask('list')).toBe(0);
      expect(await ask('erase', '0')).toBe(1);
      expect(await ask('reset')).toBe(0);
    } finally {
      await service.close();
    }
  }, 20_000);

  it('refuses words that are none', async () => {
    for (const [word, value] of [
      ['fly', undefined],
      ['test', 'abc'],
      ['confirm', 'abc'],
      ['erase', 'x'],
    ] as const) {
      expect(await tellDevice(parseDeviceCommand(word, value, {}), { link: 'serial:/dev/null' })).toBe(2);
    }
    expect(parseDeviceCommand('reset', undefined, { bootMode: '1', force: true })).toEqual({
      kind: 'reset',
      bootMode: 1,
      force: true,
    });
  });
});

describe('scan --identify', () => {
  it('names the device, what it runs and what lies in its slots; one that does not let us in is a line of its own', async () => {
    const scheduler = new WallClock();
    const image = await pack(0);
    const open = unit(image, { transport: 'ble', name: 'pump-1', deviceId: 'A', bufSize: 1024 }, scheduler);
    const shut = unit(image, { transport: 'ble', name: 'pump-2', deviceId: 'B', needsPairing: true }, scheduler);
    const controller = new SimulatedController({ scheduler, supervisionMs: 200 });
    controller.host(open.ble!);
    controller.host(shut.ble!);
    const service = await serveH4(controller, { kind: 'unix', path: at('hci') });
    try {
      said = '';
      expect(await scan({ adapter: service.adapter, seconds: '1', identify: true, json: true })).toBe(0);
      const found = JSON.parse(said) as Record<string, unknown>[];
      expect(found.find(({ name }) => name === 'pump-1')).toMatchObject({
        recognised: [{ protocol: 'smp', mode: 'application' }],
        identification: { running: [{ image: 0, version: '1.0.0' }] },
        details: [expect.stringContaining('image 0 slot 0: 1.0.0 active confirmed')],
      });
      expect(found.find(({ name }) => name === 'pump-2')).toMatchObject({ error: { code: 'link.auth-required' } });
    } finally {
      await service.close();
    }
  }, 30_000);
});
