/** Pairing with a device whose security manager was written apart, and with one that says anything at all. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GenericPeripheral, PeripheralSecurity, type IoTrait, type PairingTraits } from '@drydock/device-sim';
import { DrydockError, LinkError } from '@drydock/dfu-core';
import { decodeAddress, encodeAddress } from '../hci-wire.js';
import type { Bond } from './bond.js';
import type { PairingParties } from './legacy-functions.js';
import { pair, type PairingResult, type PairingWish } from './pair.js';
import { pairingFailed } from './pairing-errors.js';
import type { PairingLink } from './pairing-talk.js';
import { Passkey } from './passkey.js';
import { type PairingPerson, personWith } from './person.js';

const CENTRAL = 'a1:a2:a3:a4:a5:a6';
const DEVICE = 'c0:11:22:33:44:55';
const PARTIES: PairingParties = {
  initiator: encodeAddress(CENTRAL),
  initiatorIsRandom: true,
  responder: encodeAddress(DEVICE),
  responderIsRandom: true,
};
const IRK = Buffer.from('ec0234a357c8ad05341010a60a397d9b', 'hex');
const IDENTITY = { irk: IRK, address: DEVICE, addressType: 'random' } as const;
const FIX = 12_345;
const LABEL = personWith(Passkey.parse('012345', 'test'));
const WEAK: PairingWish = { minimum: 'encrypted' };

/** A device in memory: what we send is answered at once. */
function deviceOf(traits: PairingTraits, parties = PARTIES): { link: PairingLink; security: PeripheralSecurity } {
  const queue: Buffer[] = [];
  const security = new PeripheralSecurity(
    new GenericPeripheral({ address: DEVICE, pairing: traits }),
    {
      central: decodeAddress(parties.initiator),
      centralIsRandom: parties.initiatorIsRandom,
      peripheral: decodeAddress(parties.responder),
      peripheralIsRandom: parties.responderIsRandom,
    },
    (message) => queue.push(message),
  );
  const link: PairingLink = {
    parties,
    send: (message) => security.receive(Buffer.from(message)),
    receive: () => {
      const message = queue.shift();
      return message
        ? Promise.resolve(message)
        : Promise.reject(new LinkError('link.timeout', { withinMs: 30_000, detail: 'nothing said' }));
    },
    ask: (_, question) => question(new AbortController().signal),
    encrypt: (key, ediv, rand) => {
      const started = security.startEncryption(Buffer.from(rand), ediv, Buffer.from(key));
      return started === 'encrypted' ? Promise.resolve() : Promise.reject(pairingFailed(started));
    },
  };
  return { link, security };
}

async function paired(traits: PairingTraits, wish: PairingWish): Promise<PairingResult> {
  const { link, security } = deviceOf(traits);
  const result = await pair(link, wish);
  const { ltk, ediv, rand } = result.bond;
  // The key that is kept is one that the device keeps too.
  expect(security.startEncryption(Buffer.from(rand), ediv, Buffer.from(ltk))).toBe('refreshed');
  expect(security.state).toEqual({ encrypted: true, bonded: true, authenticated: result.bond.authenticated });
  return result;
}

/** Somebody at the terminal who reads the device's display, and types at its keys. */
function present(device: { shows?: number; typed?: number }, same = true): PairingPerson {
  return {
    enterPasskey: () => Promise.resolve(Passkey.parse(String(device.shows).padStart(6, '0'), 'test')),
    present: {
      showPasskey: (digits) => {
        device.typed = Number(digits);
      },
      compare: (digits) => {
        expect(digits).toMatch(/^[0-9]{6}$/);
        device.typed = Number(digits);
        return Promise.resolve(same);
      },
    },
  };
}

describe('ways of pairing', () => {
  const IO: readonly IoTrait[] = ['display-only', 'display-yes-no', 'keyboard-only', 'none', 'keyboard-display'];
  const cases = IO.flatMap((io) =>
    (['no', 'yes', 'only'] as const).flatMap((secureConnections) =>
      [true, false].map((hasPerson) => [io, secureConnections, hasPerson] as const),
    ),
  );

  it.each(cases)('%s, Secure Connections %s, a person there: %s', async (io, secureConnections, hasPerson) => {
    const device: { shows: number; typed?: number } = { shows: FIX };
    const compared: number[] = [];
    const { bond, identity } = await paired(
      {
        io,
        secureConnections,
        identity: IDENTITY,
        passkey: () => device.typed ?? device.shows,
        confirms: (digits) => compared.push(digits) > 0,
      },
      { ...WEAK, person: hasPerson ? present(device) : undefined },
    );
    expect(bond.secureConnections).toBe(secureConnections !== 'no');
    expect(bond.authenticated).toBe(hasPerson && io !== 'none');
    expect(identity).toEqual({ irk: Buffer.from(IRK).reverse(), address: encodeAddress(DEVICE), isRandom: true });
    const canCompare = secureConnections !== 'no' && (io === 'display-yes-no' || io === 'keyboard-display');
    expect(compared).toEqual(hasPerson && canCompare ? [device.typed] : []);
    // Who can do both leaves the keys to the device.
    const weShow = io === 'keyboard-only' || (io === 'keyboard-display' && !canCompare);
    expect(device.typed !== undefined).toBe(hasPerson && (weShow || canCompare));
  });

  it.each(['no', 'yes'] as const)(
    'a passkey that is known beforehand, Secure Connections %s',
    async (secureConnections) => {
      const traits: PairingTraits = { io: 'display-only', secureConnections, mitm: true, passkey: () => FIX };
      expect((await paired(traits, { minimum: 'authenticated', person: LABEL })).bond.authenticated).toBe(true);
      for (const wrong of [12_346, 0, 999_999]) {
        await expect(
          pair(deviceOf({ ...traits, passkey: () => wrong }).link, { ...WEAK, person: LABEL }),
        ).rejects.toMatchObject({
          code: 'link.pairing-failed',
          message: expect.stringContaining('most likely the passkey is another one'),
        });
      }
    },
  );

  it.each([
    ['here', (digits: number) => digits >= 0, false, 'does not show the same digits'],
    ['at the device', () => false, true, 'said to differ at the device'],
  ])('numbers that differ, as seen %s, end the pairing', async (_, confirms, same, why) => {
    const { link, security } = deviceOf({ io: 'display-yes-no', secureConnections: 'yes', confirms });
    await expect(pair(link, { ...WEAK, person: present({}, same) })).rejects.toMatchObject({
      code: 'link.pairing-failed',
      message: expect.stringContaining(why),
    });
    expect(security.state.encrypted).toBe(false);
  });

  it('an address that changes is paired only with the key that tells it', async () => {
    const parties = { ...PARTIES, responder: encodeAddress('70:81:94:0d:fb:aa') };
    await expect(pair(deviceOf({}, parties).link, WEAK)).rejects.toMatchObject({
      code: 'link.pairing-failed',
      message: expect.stringContaining('gives no key to know it by'),
    });
    expect((await pair(deviceOf({ identity: IDENTITY }, parties).link, WEAK)).identity?.isRandom).toBe(true);
  });
});

describe('what is not taken', () => {
  const bond: Bond = {
    ltk: new Uint8Array(16),
    ediv: 0,
    rand: new Uint8Array(8),
    secureConnections: true,
    authenticated: true,
  };
  it.each<[string, PairingTraits, PairingWish, string]>([
    ['a short key', { maxKeyBytes: 7 }, WEAK, 'link.pairing-failed'],
    ['a key shorter than there are', { maxKeyBytes: 6 }, WEAK, 'link.pairing-failed'],
    [
      'a device that insists on a passkey, and nobody has one',
      { mitm: true, io: 'display-only' },
      WEAK,
      'link.passkey-required',
    ],
    ['nobody to authenticate', { io: 'display-only' }, { minimum: 'authenticated' }, 'link.passkey-required'],
    ['a device that can show nothing', {}, { minimum: 'authenticated', person: LABEL }, 'link.security-level'],
    [
      'legacy pairing where it was more',
      { io: 'display-only', passkey: () => FIX },
      { ...WEAK, person: LABEL, known: bond },
      'link.downgrade',
    ],
    [
      'Just Works where it was more',
      { secureConnections: 'yes' },
      { ...WEAK, person: LABEL, known: bond },
      'link.downgrade',
    ],
    [
      'Just Works where it was more, and nobody is there',
      { secureConnections: 'yes' },
      { ...WEAK, known: bond },
      'link.passkey-required',
    ],
  ])('%s', async (_, traits, wish, code) => {
    const { link, security } = deviceOf(traits);
    await expect(pair(link, wish)).rejects.toMatchObject({ code });
    expect(security.state).toEqual({ encrypted: false, bonded: false, authenticated: false });
  });

  const forged = (code: number, change: (message: Buffer) => readonly Buffer[]): PairingTraits => ({
    secureConnections: 'yes',
    identity: IDENTITY,
    tamper: (message) => (message[0] === code ? change(Buffer.from(message)) : [message]),
  });
  const legacy = (traits: PairingTraits): PairingTraits => ({ ...traits, secureConnections: 'no' });
  const flipped = (message: Buffer): readonly Buffer[] => {
    message[message.length - 1] = (message[message.length - 1] ?? 0) ^ 1;
    return [message];
  };
  it.each<[string, PairingTraits, string]>([
    ['a public key that is on no curve', forged(0x0c, flipped), 'no curve'],
    ['a confirmation that does not hold', forged(0x03, flipped), 'confirmation of the device'],
    ['a random number that was not committed to', forged(0x04, flipped), 'confirmation of the device'],
    [
      'a confirmation of legacy pairing that does not hold',
      legacy(forged(0x03, flipped)),
      'confirmation of the device',
    ],
    [
      'a random number of legacy pairing that was not committed to',
      legacy(forged(0x04, flipped)),
      'confirmation of the',
    ],
    ['a check that does not hold', forged(0x0d, flipped), 'check of the key does not hold'],
    [
      'an identity that may change',
      forged(0x09, ([code = 0]) => [Buffer.from([code, 1, 1, 2, 3, 4, 5, 0x40])]),
      'identity',
    ],
    [
      'an identity of an unknown kind',
      forged(0x09, ([code = 0]) => [Buffer.from([code, 2, 1, 2, 3, 4, 5, 0xc0])]),
      'identity',
    ],
    ['keys that were not asked for', forged(0x02, (message) => [message.fill(0x07, 6)]), 'not offered'],
    ['keys of ours that were not offered', forged(0x02, (message) => [message.fill(1, 5, 6)]), 'not offered'],
    ['a device that keeps no bonds', forged(0x02, (message) => [message.fill(0x08, 3, 4)]), 'keeps no bonds'],
    ['a device that gives no key', legacy(forged(0x02, (message) => [message.fill(0x02, 6)])), 'keeps no bonds'],
    ['out-of-band data', forged(0x02, (message) => [message.fill(1, 2, 3)]), 'out-of-band'],
    [
      'another message than is due',
      forged(0x0d, () => [Buffer.alloc(17, 3)]),
      'message 3 of 17 bytes, where 13 was due',
    ],
    ['a message that is too long', forged(0x0d, (message) => [Buffer.concat([message, message])]), '34 bytes'],
    ['an empty message', forged(0x0c, () => [Buffer.alloc(0)]), 'without a code'],
    [
      'asides without end',
      forged(0x0c, () => new Array<Buffer>(20).fill(Buffer.from([0x0b, 1]))),
      'message 11 of 2 bytes',
    ],
  ])('%s', async (_, traits, why) => {
    const refused = pair(deviceOf(traits).link, WEAK);
    await expect(refused).rejects.toBeInstanceOf(LinkError);
    await expect(refused).rejects.toThrow(why);
  });

  it.each([
    ['Secure Connections', 0x09],
    ['legacy pairing', 0x01],
  ])('a device that turns everything round that we say, by %s', async (_, auth) => {
    let last = Buffer.alloc(0);
    const link: PairingLink = {
      ...deviceOf({}).link,
      send: (message) => {
        last = message[0] === 1 ? Buffer.from([2, 3, 0, auth, 16, 0, 1]) : Buffer.from(message);
      },
      receive: () => Promise.resolve(last),
      encrypt: () => Promise.resolve(),
    };
    await expect(pair(link, WEAK)).rejects.toMatchObject({
      code: 'link.pairing-failed',
      message: expect.stringContaining('our own'),
    });
  });
});

describe('a device that answers anything', () => {
  const response = fc
    .tuple(
      fc.integer({ min: 0, max: 5 }),
      fc.constantFrom(0, 1),
      fc.constantFrom(1, 5, 9, 13),
      fc.integer({ min: 0, max: 3 }),
    )
    .map(([io, oob, auth, keys]) => Uint8Array.of(2, io, oob, auth, 16, 0, keys));
  const message = fc
    .tuple(fc.integer({ min: 1, max: 14 }), fc.constantFrom(1, 2, 6, 7, 10, 16, 64))
    .chain(([code, length]) => fc.uint8Array({ minLength: length, maxLength: length }).map((body) => [code, ...body]));

  it('gives a bond or a typed error, never anything else, and never shows a passkey', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(response, fc.uint8Array({ maxLength: 20, size: 'max' })),
        fc.array(fc.oneof(message, fc.uint8Array({ maxLength: 80, size: 'max' })), { maxLength: 6, size: 'max' }),
        fc.constantFrom<PairingWish>(
          WEAK,
          { minimum: 'authenticated', person: LABEL },
          { ...WEAK, person: present({}) },
        ),
        async (first, answers, wish) => {
          const queue = [first, ...answers];
          const link: PairingLink = {
            ...deviceOf({}).link,
            send: () => undefined,
            receive: () => Promise.resolve(Buffer.from(queue.shift() ?? [5, 8])),
            encrypt: () => Promise.resolve(),
          };
          await pair(link, wish).catch((error: unknown) => {
            expect(error).toBeInstanceOf(DrydockError);
            expect(JSON.stringify([error, (error as Error).message])).not.toContain('12345');
          });
        },
      ),
      { numRuns: 1000 },
    );
  });
});
