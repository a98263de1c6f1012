/**
 * LE legacy pairing as initiator, by Just Works, with bonding: the device gives a key that both keep.
 *
 * Done here and not by noble, which pairs by itself whenever a device asks, and keeps no key. Secure Connections is not
 * offered, so whoever listens to the pairing itself can learn the key; afterwards nobody can.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.3 (pairing), 3.3 to 3.6 (messages), appendix C.2.1.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { LinkError } from '@drydock/dfu-core';
import type { Bond } from './bond-store.js';
import { c1, type PairingParties, s1 } from './pairing-functions.js';

const Smp = {
  PairingRequest: 0x01,
  PairingResponse: 0x02,
  PairingConfirm: 0x03,
  PairingRandom: 0x04,
  PairingFailed: 0x05,
  EncryptionInformation: 0x06,
  CentralIdentification: 0x07,
} as const;

const CONFIRM_FAILED = 0x04;
const NO_INPUT_NO_OUTPUT = 0x03;
const BONDING = 0x01;
const ENCRYPTION_KEY = 0x01;
const KEY_BYTES = 16;
const KEY_OF_ZEROS = new Uint8Array(16);
/** The specification's own patience with a silent side (3.4). */
const ANSWER_MS = 30_000;

/** What pairing needs of the connection. */
export interface PairingLink {
  send(message: Buffer): void;
  /** The next message on the security channel. @throws LinkError when none comes in time, or the link goes. */
  receive(withinMs: number): Promise<Buffer>;
  /** @throws LinkError when the link could not be encrypted with the key. */
  encrypt(key: Uint8Array, ediv: number, rand: Uint8Array): Promise<void>;
  readonly parties: PairingParties;
}

/**
 * Pairs, encrypts the link, and takes the device's key.
 * @throws LinkError `link.auth-required` when the device refuses, `link.timeout`, `link.lost`.
 */
export async function pairByJustWorks(link: PairingLink): Promise<Bond> {
  const request = Buffer.from([Smp.PairingRequest, NO_INPUT_NO_OUTPUT, 0, BONDING, KEY_BYTES, 0, ENCRYPTION_KEY]);
  link.send(request);
  const response = await expect(link, Smp.PairingResponse, 7);
  if (response[4] !== KEY_BYTES) throw refused(`it wants a key of ${response[4]} bytes, which is not safe`);
  if (((response[3] ?? 0) & 0x03) !== BONDING || ((response[6] ?? 0) & ENCRYPTION_KEY) === 0) {
    throw refused('it keeps no bonds');
  }
  const confirmOf = (random: Uint8Array): Buffer => c1(KEY_OF_ZEROS, random, request, response, link.parties);

  const ownRandom = randomBytes(16);
  link.send(Buffer.concat([Buffer.from([Smp.PairingConfirm]), confirmOf(ownRandom)]));
  const confirm = (await expect(link, Smp.PairingConfirm, 17)).subarray(1);
  link.send(Buffer.concat([Buffer.from([Smp.PairingRandom]), ownRandom]));
  const random = (await expect(link, Smp.PairingRandom, 17)).subarray(1);
  if (!timingSafeEqual(confirmOf(random), confirm)) {
    link.send(Buffer.from([Smp.PairingFailed, CONFIRM_FAILED]));
    throw refused('its confirmation does not hold');
  }

  await link.encrypt(s1(KEY_OF_ZEROS, random, ownRandom), 0, new Uint8Array(8));
  const ltk = (await expect(link, Smp.EncryptionInformation, 17)).subarray(1);
  const identification = await expect(link, Smp.CentralIdentification, 11);
  return { ltk: Buffer.from(ltk), ediv: identification.readUInt16LE(1), rand: Buffer.from(identification.subarray(3)) };
}

async function expect(link: PairingLink, code: number, length: number): Promise<Buffer> {
  const message = await link.receive(ANSWER_MS);
  if (message[0] === Smp.PairingFailed) throw refused(FAILURES[message[1] ?? 0] ?? `reason ${message[1]}`);
  if (message[0] !== code || message.length !== length) {
    throw new LinkError('link.corrupt', { detail: `pairing: message ${message[0]} of ${message.length} bytes` });
  }
  return message;
}

/** Vol 3 Part H, 3.5.5. */
const FAILURES: Readonly<Record<number, string>> = {
  0x01: 'a passkey was not entered',
  0x02: 'it needs out-of-band data',
  0x03: 'it needs a passkey or a comparison, which a gateway cannot give',
  0x04: 'its confirmation does not hold',
  0x05: 'it does not pair now',
  0x06: 'its key is too short',
  0x08: 'it names no reason',
  0x09: 'too many attempts: try again later',
  0x0a: 'it does not understand the request',
};

const refused = (detail: string): LinkError => new LinkError('link.auth-required', { channel: `pairing (${detail})` });
