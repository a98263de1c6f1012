/** Waits that end, and messages that come when they must not. Time is the test's. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { GenericPeripheral, PeripheralSecurity, type PairingTraits } from '@drydock/device-sim';
import type { LinkError } from '@drydock/dfu-core';
import { turns, VirtualClock } from '../../testing/virtual-clock.js';
import { ConnectionSecurity } from './connection-security.js';
import { encodeAddress } from './hci-wire.js';
import type { PairingWish } from './pairing/pair.js';
import type { PairingPerson } from './pairing/person.js';
import { TappedConnection } from './tapped-connection.js';

const DEVICE = 'c0:11:22:33:44:50';
const CENTRAL = 'a1:a2:a3:a4:a5:a6';
const HANDLE = 0x40;
const PARTIES = {
  initiator: encodeAddress(CENTRAL),
  initiatorIsRandom: true,
  responder: encodeAddress(DEVICE),
  responderIsRandom: true,
};
const WEAK: PairingWish = { minimum: 'encrypted' };
const BOND = { ltk: new Uint8Array(16), ediv: 0, rand: new Uint8Array(8) };

let clock: VirtualClock;
let sent: Buffer[];
let connection: TappedConnection;
let security: ConnectionSecurity;
/** What the device does when something is said to it, and when it is to encrypt. */
let hears: (message: Buffer) => void;
let encrypts: (rand: Uint8Array, ediv: number, key: Uint8Array) => void;

beforeEach(() => {
  clock = new VirtualClock();
  sent = [];
  connection = new TappedConnection(HANDLE, DEVICE, 15, true);
  hears = () => undefined;
  encrypts = () => undefined;
  security = new ConnectionSecurity(
    {
      enableEncryption: (_, rand, ediv, key) => encrypts(rand, ediv, key),
      sendSecurity: (_, message) => {
        sent.push(message);
        hears(message);
      },
      parties: () => PARTIES,
    },
    clock,
  );
});

function isDevice(traits: PairingTraits, before: () => void = () => undefined): void {
  const device = new PeripheralSecurity(
    new GenericPeripheral({ address: DEVICE, pairing: traits }),
    { central: CENTRAL, centralIsRandom: true, peripheral: DEVICE, peripheralIsRandom: true },
    (message) => security.received(HANDLE, message),
  );
  hears = (message) => device.receive(message);
  encrypts = (rand, ediv, key) => {
    before();
    const started = device.startEncryption(Buffer.from(rand), ediv, Buffer.from(key));
    security.changed(HANDLE, started === 'encrypted' ? 0 : 6);
  };
}

/** @returns how it ended, and after how long. */
async function ending(work: Promise<unknown>, mostMs: number): Promise<{ code: string; afterMs: number }> {
  let code: string | undefined;
  void work.then(
    () => (code = 'done'),
    (error: LinkError) => (code = error.code),
  );
  let afterMs = 0;
  for (; afterMs <= mostMs; afterMs += 1000) {
    await turns();
    if (code !== undefined) return { code, afterMs };
    await clock.advance(1000, () => turns(3));
  }
  return { code: 'never', afterMs };
}

describe('every wait ends', () => {
  it('for a device that says nothing', async () => {
    expect(await ending(security.pair(connection, WEAK), 100_000)).toEqual({ code: 'link.timeout', afterMs: 30_000 });
  });

  it('for a device that always says something else, in time', async () => {
    const nag = (): void => {
      security.received(HANDLE, Buffer.from([0x0b, 1]));
      clock.after(20_000, nag);
    };
    hears = () => void clock.after(20_000, nag);
    expect(await ending(security.pair(connection, WEAK), 200_000)).toEqual({ code: 'link.timeout', afterMs: 90_000 });
  });

  it('for whoever has less time than that', async () => {
    expect(await ending(security.pair(connection, WEAK, 4000), 100_000)).toEqual({
      code: 'link.timeout',
      afterMs: 4000,
    });
  });

  it('for a device that does not encrypt', async () => {
    expect(await ending(security.encrypt(connection, BOND), 100_000)).toEqual({ code: 'link.timeout', afterMs: 6000 });
  });

  it.each([
    ['says nothing', () => undefined, 'link.timeout', 30_000],
    ['sits there while the link goes', () => security.ended(HANDLE, 0x08), 'link.lost', 0],
  ])('for a person who %s, and the question is taken back', async (_, meanwhile, code, afterMs) => {
    isDevice({ secureConnections: 'yes', io: 'display-only', passkey: () => 1 });
    let asked: AbortSignal | undefined;
    const person: PairingPerson = {
      enterPasskey: (signal) => {
        asked = signal;
        setImmediate(meanwhile);
        return new Promise(() => undefined);
      },
    };
    expect(await ending(security.pair(connection, { ...WEAK, person }), 100_000)).toEqual({ code, afterMs });
    expect(asked?.aborted).toBe(true);
    expect(sent.at(-1)?.toString('hex')).toBe('0501');
  });
});

describe('encryption', () => {
  it.each([
    [0x00, 'done'],
    [0x06, 'link.bond-lost'],
    [0x1a, 'link.security-level'],
  ])('that ends with status %d is told as it is', async (status, code) => {
    encrypts = () => security.changed(HANDLE, status);
    expect((await ending(security.encrypt(connection, BOND), 1000)).code).toBe(code);
  });

  it.each([
    [0x3d, 'link.bond-lost'],
    [0x08, 'link.lost'],
  ])('during which the link ends with reason %d', async (reason, code) => {
    encrypts = () => security.ended(HANDLE, reason);
    expect((await ending(security.encrypt(connection, BOND), 1000)).code).toBe(code);
  });

  it('of a link that is over is not asked for', async () => {
    connection.gone('test');
    encrypts = () => expect('it').toBe('not asked for');
    expect((await ending(security.encrypt(connection, BOND), 1000)).code).toBe('link.lost');
  });
});

describe('keys', () => {
  const traits: PairingTraits = {
    identity: { irk: Buffer.alloc(16, 7), address: DEVICE, addressType: 'random' },
  };

  it('that came before the link was encrypted are not taken', async () => {
    const forged = Buffer.alloc(17, 0xee).fill(0x06, 0, 1);
    isDevice({
      ...traits,
      // Sent along with the last message that goes in clear.
      tamper: (message) => (message[0] === 0x04 ? [message, forged] : [message]),
    });
    const { bond } = await security.pair(connection, WEAK);
    expect(Buffer.from(bond.ltk).toString('hex')).not.toContain('eeee');
  });

  it('are taken as the device gave them', async () => {
    isDevice(traits);
    const { bond, identity } = await security.pair(connection, WEAK);
    expect(bond).toMatchObject({ secureConnections: false, authenticated: false });
    expect(Buffer.from(identity!.irk)).toEqual(Buffer.alloc(16, 7));
  });
});

describe('what a device says without being asked', () => {
  it('is not kept', async () => {
    for (let i = 0; i < 1000; i += 1) security.received(HANDLE, Buffer.from([0x02, 3, 0, 1, 16, 0, 1]));
    hears = () => security.received(HANDLE, Buffer.from([0x05, 0x05]));
    expect((await ending(security.pair(connection, WEAK), 1000)).code).toBe('link.pairing-failed');
    for (let i = 0; i < 1000; i += 1) security.received(HANDLE, Buffer.from([0x02, 3, 0, 1, 16, 0, 1]));
    expect((await ending(security.pair(connection, WEAK), 1000)).code).toBe('link.pairing-failed');
  });
});
