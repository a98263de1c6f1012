/** `bond make`, `list` and `forget` as a person types them, against a simulated device behind H4. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  GenericPeripheral,
  resolvableAddress,
  serveH4,
  SimulatedController,
  WallClock,
  type H4Service,
} from '@drydock/device-sim';
import { forgetBond, listBonds, makeBond } from './manage-bonds.js';

const ADDRESS = 'c0:11:22:33:44:50';
const IRK = Buffer.from('ec0234a357c8ad05341010a60a397d9b', 'hex');
const ON_AIR = resolvableAddress(IRK, 99);
let dir: string;
let service: H4Service;
let said = '';

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drydock-bond-'));
  const controller = new SimulatedController({ scheduler: new WallClock(), supervisionMs: 300 });
  controller.host(
    new GenericPeripheral({
      address: ON_AIR,
      pairing: {
        secureConnections: 'yes',
        io: 'display-only',
        passkey: () => 12_345,
        identity: { irk: IRK, address: ADDRESS, addressType: 'random' },
      },
    }),
  );
  service = await serveH4(controller, { kind: 'unix', path: join(dir, 'hci') });
  said = '';
  const write = (text: string | Uint8Array): boolean => {
    said += String(text);
    return true;
  };
  jest.spyOn(process.stdout, 'write').mockImplementation(write);
  jest.spyOn(process.stderr, 'write').mockImplementation(write);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await service.close();
  await rm(dir, { recursive: true });
});

const options = (more: object): { state: string; link: string; adapter: string; verbose: boolean } => ({
  state: dir,
  link: `ble:${ON_AIR.toUpperCase()}?type=random`,
  adapter: service.adapter,
  verbose: true,
  ...more,
});

describe('bond', () => {
  it('make takes the passkey from a file, says what the bond is worth and what to call the device', async () => {
    const passkeyFile = join(dir, 'passkey');
    await writeFile(passkeyFile, '012345\n');
    expect(await makeBond(options({ passkeyFile, level: 'authenticated' }))).toBe(0);
    expect(said).toContain('authenticated, by Secure Connections');
    expect(said).toContain(`from now on name it ble:${ADDRESS.toUpperCase()}`);
    expect(said).not.toMatch(/0?12345\b/);

    said = '';
    expect(await listBonds({ state: dir, json: true })).toBe(0);
    expect(JSON.parse(said)).toEqual([
      { address: ADDRESS, kind: 'authenticated, by Secure Connections', changesAddress: true },
    ]);
    said = '';
    expect(await listBonds({ state: dir })).toBe(0);
    expect(said).toContain('may change its address');

    expect(await forgetBond({ state: dir, link: `ble:${ADDRESS}` })).toBe(0);
    said = '';
    expect(await listBonds({ state: dir, json: true })).toBe(0);
    expect(JSON.parse(said)).toEqual([]);
  }, 60_000);

  it.each([
    [{ level: 'authenticated', json: true }, 1, 'link.passkey-required'],
    [{ level: 'secret', json: true }, 2, 'request.invalid'],
    [{ passkeyFile: 'nowhere', json: true }, 2, 'request.invalid'],
    [{ link: 'serial:/dev/null', json: true }, 2, 'request.invalid'],
  ])(
    'make with %j ends with %d and a code',
    async (more, status, code) => {
      expect(await makeBond(options({ verbose: false, ...more }))).toBe(status);
      expect(JSON.parse(said)).toMatchObject({ code });
    },
    60_000,
  );

  it('make with another passkey says so, and shows neither', async () => {
    const passkeyFile = join(dir, 'passkey');
    await writeFile(passkeyFile, '543210');
    expect(await makeBond(options({ passkeyFile }))).toBe(1);
    expect(said).toContain('most likely the passkey is another one');
    expect(said).not.toMatch(/543210|12345/);
  }, 60_000);
});
