/**
 * The security manager of one connected peripheral, and the key that its controller is asked for.
 *
 * LE legacy pairing and LE Secure Connections, in the responder's role, with bonding; by Just Works, Passkey Entry and
 * Numeric Comparison. The link's AES-CCM itself is not played: two sides with the same key have an encrypted link, two
 * with different keys lose it as by a failed integrity check.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.3 (pairing), 2.4 (keys), 3 (messages), appendix C (charts); Vol 6 Part B,
 * 5.1.3 (encryption start).
 */
import { randomBytes, randomInt } from 'node:crypto';
import type { BlePeripheral, LinkSecurity, PairingTraits, PeripheralBond } from '../../target.js';
import { IO_CAPABILITY, type Method, methodOf } from './io-capabilities.js';
import { c1, EllipticKeys, f4, f5, f6, g2Digits, s1 } from './toolbox.js';

const Smp = {
  PairingRequest: 0x01,
  PairingResponse: 0x02,
  PairingConfirm: 0x03,
  PairingRandom: 0x04,
  PairingFailed: 0x05,
  EncryptionInformation: 0x06,
  CentralIdentification: 0x07,
  IdentityInformation: 0x08,
  IdentityAddressInformation: 0x09,
  PublicKey: 0x0c,
  DhKeyCheck: 0x0d,
} as const;

const Failure = {
  AuthenticationRequirements: 0x03,
  ConfirmValue: 0x04,
  NotSupported: 0x05,
  KeySize: 0x06,
  Unspecified: 0x08,
  Parameters: 0x0a,
  DhKeyCheck: 0x0b,
  Comparison: 0x0c,
} as const;
const BONDING = 0x01;
const MITM = 0x04;
const SECURE_CONNECTIONS = 0x08;
const ENCRYPTION_KEY = 0x01;
const IDENTITY_KEY = 0x02;
const KEY_BYTES = 16;
const MIN_KEY_BYTES = 7;
const PASSKEY_BITS = 20;

/** Who the two are, as pairing binds them: `aa:bb:cc:dd:ee:ff`. */
export interface PairedAddresses {
  readonly central: string;
  readonly centralIsRandom: boolean;
  readonly peripheral: string;
  readonly peripheralIsRandom: boolean;
}

/** What became of an encryption that the central asked for. */
export type EncryptionStart = 'encrypted' | 'refreshed' | 'key-missing' | 'wrong-key';

/** Numbers of one pairing, most significant byte first. */
interface Pairing {
  readonly request: Buffer;
  readonly response: Buffer;
  readonly isSecure: boolean;
  readonly method: Method;
  /** Asked of its user when it is first needed. */
  passkey: number | undefined;
  readonly own: EllipticKeys;
  peer: Buffer | undefined;
  dhKey: Buffer | undefined;
  confirm: Buffer | undefined;
  ownRandom: Buffer | undefined;
  peerRandom: Buffer | undefined;
  /** Bits of the passkey that both sides have shown. */
  round: number;
  /** Legacy: short term key; secure: long term key. */
  key: Buffer | undefined;
}

export class PeripheralSecurity {
  #encrypted = false;
  #bonded = false;
  #authenticated = false;
  #pairing: Pairing | undefined;

  constructor(
    private readonly peripheral: BlePeripheral,
    private readonly addresses: PairedAddresses,
    private readonly put: (message: Buffer) => void,
  ) {
    this.#bonded = peripheral.pairing?.bonds.has(addresses.central) ?? false;
  }

  get state(): LinkSecurity {
    return { encrypted: this.#encrypted, bonded: this.#bonded, authenticated: this.#authenticated };
  }

  /** One message on the security channel. */
  receive(message: Buffer): void {
    const body = message.subarray(1);
    switch (message[0]) {
      case Smp.PairingRequest:
        return this.#begin(message);
      case Smp.PublicKey:
        return this.#takePublicKey(body);
      case Smp.PairingConfirm:
        return this.#takeConfirm(body);
      case Smp.PairingRandom:
        return this.#takeRandom(body);
      case Smp.DhKeyCheck:
        return this.#takeCheck(body);
      case Smp.PairingFailed:
        this.#pairing = undefined;
        return;
      default:
        // Keys of the central were not asked for; commands of later versions are ignored (3.3).
        return;
    }
  }

  /**
   * The central's controller starts encryption; ours asks for the key.
   * @param ltk as the central's host gave it, least significant byte first.
   */
  startEncryption(rand: Buffer, ediv: number, ltk: Buffer): EncryptionStart {
    const fresh = ediv === 0 && rand.every((byte) => byte === 0) ? this.#pairing : undefined;
    const bond = this.peripheral.pairing?.bonds.get(this.addresses.central);
    const known = bond && bond.ediv === ediv && rand.equals(bond.rand) ? bond : undefined;
    const own = fresh?.key ? turned(fresh.key) : known && Buffer.from(known.ltk);
    if (!own) return 'key-missing';
    if (!own.equals(ltk)) return 'wrong-key';
    const result = this.#encrypted ? 'refreshed' : 'encrypted';
    this.#encrypted = true;
    if (fresh?.key) {
      this.#authenticated = fresh.method !== 'just-works';
      this.#distribute(fresh, fresh.key);
    } else this.#authenticated = known?.authenticated ?? false;
    return result;
  }

  get #traits(): PairingTraits {
    return this.peripheral.pairing?.traits ?? {};
  }

  #begin(message: Buffer): void {
    if (message.length !== 7) return this.#fail(Failure.Parameters);
    if (this.peripheral.pairing?.accepts() !== true) return this.#fail(Failure.NotSupported);
    const { secureConnections = 'no', io = 'none', mitm = false, identity, maxKeyBytes = 16 } = this.#traits;
    const [, theirIo = 0, , theirAuth = 0, theirKeyBytes = 0, , theirKeys = 0] = message;
    if (theirKeyBytes < MIN_KEY_BYTES || theirKeyBytes > KEY_BYTES) return this.#fail(Failure.KeySize);
    const isSecure = secureConnections !== 'no' && (theirAuth & SECURE_CONNECTIONS) !== 0;
    if (secureConnections === 'only' && !isSecure) return this.#fail(Failure.AuthenticationRequirements);
    const wantsMitm = mitm || (theirAuth & MITM) !== 0;
    const method = wantsMitm ? methodOf(theirIo, IO_CAPABILITY[io], isSecure) : 'just-works';
    if (mitm && method === 'just-works') return this.#fail(Failure.AuthenticationRequirements);

    const auth = BONDING | (mitm ? MITM : 0) | (secureConnections === 'no' ? 0 : SECURE_CONNECTIONS);
    const offered = (isSecure ? 0 : ENCRYPTION_KEY) | (identity ? IDENTITY_KEY : 0);
    const keys = theirKeys & offered;
    const response = Buffer.from([Smp.PairingResponse, IO_CAPABILITY[io], 0, auth, maxKeyBytes, 0, keys]);
    this.#pairing = {
      request: Buffer.from(message),
      response,
      isSecure,
      method,
      passkey: undefined,
      own: new EllipticKeys(),
      peer: undefined,
      dhKey: undefined,
      confirm: undefined,
      ownRandom: undefined,
      peerRandom: undefined,
      round: 0,
      key: undefined,
    };
    this.#send(response);
  }

  #takePublicKey(body: Buffer): void {
    const pairing = this.#pairing;
    if (!pairing?.isSecure || pairing.peer || body.length !== 64) return this.#fail(Failure.Unspecified);
    pairing.peer = Buffer.concat([turned(body.subarray(0, 32)), turned(body.subarray(32))]);
    pairing.dhKey = pairing.own.dhKey(pairing.peer);
    if (!pairing.dhKey) return this.#fail(Failure.Unspecified);
    const { point } = pairing.own;
    this.#send(
      Buffer.concat([Buffer.from([Smp.PublicKey]), turned(point.subarray(0, 32)), turned(point.subarray(32))]),
    );
    // Just Works and Numeric Comparison: the responder commits itself first.
    if (pairing.method === 'just-works' || pairing.method === 'compares') this.#commit(pairing);
  }

  #takeConfirm(body: Buffer): void {
    const pairing = this.#pairing;
    const isDue = pairing && (!pairing.isSecure || (pairing.peer && this.#isByPasskey(pairing)));
    if (!isDue || pairing.confirm || body.length !== 16) return this.#fail(Failure.Unspecified);
    pairing.confirm = turned(body);
    this.#commit(pairing);
  }

  #commit(pairing: Pairing): void {
    pairing.ownRandom = randomBytes(16);
    const confirm = pairing.isSecure
      ? f4(pairing.own.x, peerX(pairing), pairing.ownRandom, this.#commitment(pairing))
      : this.#legacyConfirm(pairing, pairing.ownRandom);
    this.#send(Buffer.concat([Buffer.from([Smp.PairingConfirm]), turned(confirm)]));
  }

  #takeRandom(body: Buffer): void {
    const pairing = this.#pairing;
    if (!pairing?.ownRandom || body.length !== 16) return this.#fail(Failure.Unspecified);
    const random = turned(body);
    pairing.peerRandom = random;
    if (pairing.isSecure && !this.#isByPasskey(pairing)) {
      this.#sendRandom(pairing.ownRandom);
      if (pairing.method !== 'compares') return;
      const digits = g2Digits(peerX(pairing), pairing.own.x, random, pairing.ownRandom);
      if (this.#traits.confirms?.(digits) === false) this.#fail(Failure.Comparison);
      return;
    }
    const { confirm, ownRandom } = pairing;
    pairing.confirm = undefined;
    const expected = pairing.isSecure
      ? f4(peerX(pairing), pairing.own.x, random, this.#commitment(pairing))
      : this.#legacyConfirm(pairing, random);
    if (!confirm?.equals(expected)) return this.#fail(Failure.ConfirmValue);
    if (pairing.isSecure) pairing.round += 1;
    else pairing.key = s1(this.#temporaryKey(pairing), ownRandom, random);
    this.#sendRandom(ownRandom);
  }

  #takeCheck(body: Buffer): void {
    const pairing = this.#pairing;
    const { dhKey, peerRandom: na, ownRandom: nb } = pairing ?? {};
    if (!pairing?.isSecure || !dhKey || !na || !nb || body.length !== 16) return this.#fail(Failure.Unspecified);
    const isByPasskey = this.#isByPasskey(pairing);
    if (isByPasskey && pairing.round < PASSKEY_BITS) return this.#fail(Failure.Unspecified);
    const { central, centralIsRandom, peripheral, peripheralIsRandom } = this.addresses;
    const a = Buffer.concat([Buffer.from([centralIsRandom ? 1 : 0]), bigEndian(central)]);
    const b = Buffer.concat([Buffer.from([peripheralIsRandom ? 1 : 0]), bigEndian(peripheral)]);
    const r = Buffer.alloc(16);
    if (isByPasskey) r.writeUInt32BE(this.#passkeyOf(pairing), 12);
    const [macKey, ltk] = f5(dhKey, na, nb, a, b);
    // IOcap: AuthReq, OOB flag, IO capability, from the most significant byte on (2.2.8).
    const ea = f6(macKey, na, nb, r, turned(pairing.request.subarray(1, 4)), a, b);
    if (!turned(body).equals(ea)) return this.#fail(Failure.DhKeyCheck);
    pairing.key = ltk;
    const eb = f6(macKey, nb, na, r, turned(pairing.response.subarray(1, 4)), b, a);
    this.#send(Buffer.concat([Buffer.from([Smp.DhKeyCheck]), turned(eb)]));
  }

  #isByPasskey({ method }: Pairing): boolean {
    return method === 'displays' || method === 'inputs';
  }

  #passkeyOf(pairing: Pairing): number {
    return (pairing.passkey ??= this.#traits.passkey?.() ?? randomInt(1_000_000));
  }

  /** The r of a commitment: a bit of the passkey with the highest bit set, or nothing (2.3.5.6.3). */
  #commitment(pairing: Pairing): number {
    return this.#isByPasskey(pairing) ? 0x80 | ((this.#passkeyOf(pairing) >> pairing.round) & 1) : 0;
  }

  #temporaryKey(pairing: Pairing): Buffer {
    const key = Buffer.alloc(16);
    if (this.#isByPasskey(pairing)) key.writeUInt32BE(this.#passkeyOf(pairing), 12);
    return key;
  }

  #legacyConfirm(pairing: Pairing, random: Buffer): Buffer {
    const { central, centralIsRandom, peripheral, peripheralIsRandom } = this.addresses;
    return c1(
      this.#temporaryKey(pairing),
      random,
      turned(pairing.request),
      turned(pairing.response),
      [centralIsRandom ? 1 : 0, peripheralIsRandom ? 1 : 0],
      bigEndian(central),
      bigEndian(peripheral),
    );
  }

  /** The link is encrypted with the new key: what else was agreed is given now. */
  #distribute({ isSecure, method, response }: Pairing, key: Buffer): void {
    this.#pairing = undefined;
    const keys = response[6] ?? 0;
    const how = { authenticated: method !== 'just-works', secureConnections: isSecure };
    if (isSecure) this.#bond({ ltk: turned(key), ediv: 0, rand: Buffer.alloc(8), ...how });
    else if ((keys & ENCRYPTION_KEY) !== 0) {
      const ediv = randomInt(0x10000);
      const bond = { ltk: randomBytes(16), ediv, rand: randomBytes(8), ...how };
      this.#bond(bond);
      this.#send(Buffer.concat([Buffer.from([Smp.EncryptionInformation]), bond.ltk]));
      this.#send(Buffer.concat([Buffer.from([Smp.CentralIdentification, ediv & 0xff, ediv >> 8]), bond.rand]));
    }
    const { identity } = this.#traits;
    if (!identity || (keys & IDENTITY_KEY) === 0) return;
    this.#send(Buffer.concat([Buffer.from([Smp.IdentityInformation]), turned(Buffer.from(identity.irk))]));
    const type = identity.addressType === 'random' ? 1 : 0;
    this.#send(
      Buffer.concat([Buffer.from([Smp.IdentityAddressInformation, type]), turned(bigEndian(identity.address))]),
    );
  }

  #bond(bond: PeripheralBond): void {
    this.peripheral.pairing?.bonds.set(this.addresses.central, bond);
    this.#bonded = true;
  }

  #sendRandom(random: Buffer): void {
    this.#send(Buffer.concat([Buffer.from([Smp.PairingRandom]), turned(random)]));
  }

  #send(message: Buffer): void {
    const { tamper } = this.#traits;
    const messages = tamper ? tamper(message) : [message];
    for (const each of messages) this.put(Buffer.from(each));
  }

  #fail(reason: number): void {
    this.#pairing = undefined;
    this.#send(Buffer.from([Smp.PairingFailed, reason]));
  }
}

function peerX({ peer }: Pairing): Buffer {
  return peer?.subarray(0, 32) ?? Buffer.alloc(32);
}

const turned = (value: Buffer): Buffer => Buffer.from(value).reverse();
const bigEndian = (address: string): Buffer => Buffer.from(address.replaceAll(':', ''), 'hex');
