/**
 * The security manager of one connected peripheral, and the key that its controller is asked for.
 *
 * LE legacy pairing by Just Works, in the responder's role, with bonding. The link's AES-CCM itself is not played: two
 * sides with the same key have an encrypted link, two with different keys lose it as by a failed integrity check.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.2 (functions), 2.3 (pairing), 3 (messages); Vol 6 Part B, 5.1.3
 * (encryption start).
 */
import { createCipheriv, randomBytes } from 'node:crypto';
import type { BlePeripheral, LinkSecurity, PeripheralBond } from '../target.js';

const Smp = {
  PairingRequest: 0x01,
  PairingResponse: 0x02,
  PairingConfirm: 0x03,
  PairingRandom: 0x04,
  PairingFailed: 0x05,
  EncryptionInformation: 0x06,
  CentralIdentification: 0x07,
} as const;

const Failure = { ConfirmValue: 0x04, NotSupported: 0x05, KeySize: 0x06, Unspecified: 0x08, Parameters: 0x0a } as const;
const NO_INPUT_NO_OUTPUT = 0x03;
const BONDING = 0x01;
const ENCRYPTION_KEY = 0x01;
const KEY_BYTES = 16;
const MIN_KEY_BYTES = 7;

/** Who the two are, as pairing binds them: `aa:bb:cc:dd:ee:ff`. */
export interface PairedAddresses {
  readonly central: string;
  readonly centralIsRandom: boolean;
  readonly peripheral: string;
  readonly peripheralIsRandom: boolean;
}

/** What became of an encryption that the central asked for. */
export type EncryptionStart = 'encrypted' | 'key-missing' | 'wrong-key';

export class PeripheralSecurity {
  #encrypted = false;
  #bonded = false;
  #request: Buffer | undefined;
  #response: Buffer | undefined;
  #confirm: Buffer | undefined;
  #ownRandom: Buffer | undefined;
  #shortTermKey: Buffer | undefined;

  constructor(
    private readonly peripheral: BlePeripheral,
    private readonly addresses: PairedAddresses,
    private readonly send: (message: Buffer) => void,
  ) {
    this.#bonded = peripheral.pairing?.bonds.has(addresses.central) ?? false;
  }

  get state(): LinkSecurity {
    return { encrypted: this.#encrypted, bonded: this.#bonded };
  }

  /** One message on the security channel. */
  receive(message: Buffer): void {
    switch (message[0]) {
      case Smp.PairingRequest:
        return this.#pair(message);
      case Smp.PairingConfirm:
        return this.#confirmed(message);
      case Smp.PairingRandom:
        return this.#revealed(message);
      case Smp.PairingFailed:
        return this.#forget();
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
    const isShortTerm = ediv === 0 && rand.every((byte) => byte === 0) && this.#shortTermKey !== undefined;
    const bond = this.peripheral.pairing?.bonds.get(this.addresses.central);
    const known = bond && bond.ediv === ediv && rand.equals(bond.rand) ? Buffer.from(bond.ltk) : undefined;
    const own = isShortTerm ? this.#shortTermKey : known;
    if (!own) return 'key-missing';
    if (!own.equals(ltk)) return 'wrong-key';
    this.#encrypted = true;
    if (isShortTerm) this.#distribute();
    return 'encrypted';
  }

  #pair(message: Buffer): void {
    if (message.length !== 7) return this.#fail(Failure.Parameters);
    if (this.peripheral.pairing?.accepts() !== true) return this.#fail(Failure.NotSupported);
    if ((message[4] ?? 0) < MIN_KEY_BYTES || (message[4] ?? 0) > KEY_BYTES) return this.#fail(Failure.KeySize);
    this.#request = Buffer.from(message);
    const responderKeys = (message[6] ?? 0) & ENCRYPTION_KEY;
    this.#response = Buffer.from([Smp.PairingResponse, NO_INPUT_NO_OUTPUT, 0, BONDING, KEY_BYTES, 0, responderKeys]);
    this.send(this.#response);
  }

  #confirmed(message: Buffer): void {
    if (!this.#response || message.length !== 17) return this.#fail(Failure.Unspecified);
    this.#confirm = Buffer.from(message.subarray(1));
    this.#ownRandom = randomBytes(16);
    this.send(Buffer.concat([Buffer.from([Smp.PairingConfirm]), this.#confirmOf(this.#ownRandom)]));
  }

  #revealed(message: Buffer): void {
    if (!this.#confirm || !this.#ownRandom || message.length !== 17) return this.#fail(Failure.Unspecified);
    const random = Buffer.from(message.subarray(1));
    if (!this.#confirmOf(random).equals(this.#confirm)) return this.#fail(Failure.ConfirmValue);
    this.send(Buffer.concat([Buffer.from([Smp.PairingRandom]), this.#ownRandom]));
    // s1(TK, Srand, Mrand): eight bytes of each, the responder's the more significant (2.2.4).
    const both = Buffer.concat([random.subarray(0, 8), this.#ownRandom.subarray(0, 8)]);
    this.#shortTermKey = encrypt(Buffer.alloc(16), both);
  }

  /** c1 with a temporary key of zero (2.2.3). Everything lies least significant byte first. */
  #confirmOf(random: Buffer): Buffer {
    const { central, centralIsRandom, peripheral, peripheralIsRandom } = this.addresses;
    const p1 = Buffer.concat([
      Buffer.from([centralIsRandom ? 1 : 0, peripheralIsRandom ? 1 : 0]),
      this.#request ?? Buffer.alloc(7),
      this.#response ?? Buffer.alloc(7),
    ]);
    const p2 = Buffer.concat([littleEndian(peripheral), littleEndian(central), Buffer.alloc(4)]);
    const key = Buffer.alloc(16);
    return encrypt(key, xor(encrypt(key, xor(random, p1)), p2));
  }

  #distribute(): void {
    this.#shortTermKey = undefined;
    if (((this.#response?.[6] ?? 0) & ENCRYPTION_KEY) === 0) return;
    const bond: PeripheralBond = { ltk: randomBytes(16), ediv: randomBytes(2).readUInt16LE(0), rand: randomBytes(8) };
    this.peripheral.pairing?.bonds.set(this.addresses.central, bond);
    this.#bonded = true;
    this.send(Buffer.concat([Buffer.from([Smp.EncryptionInformation]), bond.ltk]));
    this.send(
      Buffer.concat([
        Buffer.from([Smp.CentralIdentification, bond.ediv & 0xff, bond.ediv >> 8]),
        Buffer.from(bond.rand),
      ]),
    );
  }

  #fail(reason: number): void {
    this.#forget();
    this.send(Buffer.from([Smp.PairingFailed, reason]));
  }

  #forget(): void {
    this.#request = this.#response = this.#confirm = this.#ownRandom = this.#shortTermKey = undefined;
  }
}

/** The security function e with everything least significant byte first. */
function encrypt(key: Buffer, data: Buffer): Buffer {
  const cipher = createCipheriv('aes-128-ecb', Buffer.from(key).reverse(), null);
  cipher.setAutoPadding(false);
  return Buffer.concat([cipher.update(Buffer.from(data).reverse()), cipher.final()]).reverse();
}

const xor = (left: Buffer, right: Buffer): Buffer => Buffer.from(left.map((byte, at) => byte ^ (right[at] ?? 0)));
const littleEndian = (address: string): Buffer => Buffer.from(address.replaceAll(':', ''), 'hex').reverse();
