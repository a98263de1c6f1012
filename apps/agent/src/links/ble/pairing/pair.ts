/**
 * Pairing as initiator, with bonding: LE Secure Connections where the device knows them, LE legacy pairing where it does
 * not and never did.
 *
 * Done here and not by noble, which pairs by itself whenever a device asks, and keeps no key. What is taken is decided
 * before any secret is used: a key of 16 bytes, a bond, at least the security that is asked for, and nothing weaker than
 * the device had before.
 *
 * Our own keys and identity are not given: a gateway is always the one that connects, under one address. A device that
 * knew an identity key of ours would expect addresses made with it, and its controller might refuse the one we use
 * (network privacy mode, Vol 6 Part B, 6.2).
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.3 (pairing), 2.4.3 (key distribution), 3.3 to 3.6 (messages).
 */
import { randomInt } from 'node:crypto';
import { InvariantError, LinkError } from '@drydock/dfu-core';
import { type Association, associationOf, IoCapability } from './association.js';
import type { Bond, PeerIdentity, SecurityLevel } from './bond.js';
import { agreeLegacyKey } from './legacy-pairing.js';
import { pairingFailed } from './pairing-errors.js';
import { type PairingLink, PairingTalk } from './pairing-talk.js';
import { Passkey } from './passkey.js';
import { isPrivate, isStatic } from './private-addresses.js';
import type { PairingPerson } from './person.js';
import { agreeSecureKey } from './secure-pairing.js';
import {
  AuthBit,
  decodeFeatures,
  encodeFeatures,
  Failure,
  KEY_BYTES,
  KeyBit,
  type PairingFeatures,
  SmpCode,
  wantsBonding,
} from './smp-wire.js';

export interface PairingWish {
  /** The least that is taken. */
  readonly minimum: SecurityLevel;
  /** The bond there is; pairing again must not make it weaker. */
  readonly known?: Bond | undefined;
  /** Absent: nobody is there, so nothing can be authenticated. */
  readonly person?: PairingPerson | undefined;
}

export interface PairingResult {
  readonly bond: Bond;
  readonly identity: PeerIdentity | undefined;
}

/** The shortest that the specification knows (2.3.4). */
const MIN_KEY_BYTES = 7;
const OFFERED_KEYS = KeyBit.Encryption | KeyBit.Identity;

/**
 * Pairs, encrypts the link, and takes the device's keys.
 * @throws LinkError `link.pairing-failed`, `link.passkey-required`, `link.security-level`, `link.downgrade`,
 *   `link.corrupt`, `link.timeout`, `link.lost`; DrydockError of the person.
 */
export async function pair(link: PairingLink, wish: PairingWish): Promise<PairingResult> {
  const { person } = wish;
  const talk = new PairingTalk(link, person !== undefined);
  const ours: PairingFeatures = {
    ioCapability: !person
      ? IoCapability.NoInputNoOutput
      : person.present
        ? IoCapability.KeyboardDisplay
        : IoCapability.KeyboardOnly,
    hasOobData: false,
    auth: AuthBit.Bonding | AuthBit.SecureConnections | (person ? AuthBit.Mitm : 0),
    maxKeyBytes: KEY_BYTES,
    initiatorKeys: 0,
    responderKeys: OFFERED_KEYS,
  };
  const request = encodeFeatures(SmpCode.PairingRequest, ours);
  link.send(request);
  const body = await talk.expect(SmpCode.PairingResponse, 6);
  const response = Buffer.concat([Buffer.from([SmpCode.PairingResponse]), body]);
  const theirs = decodeFeatures(body);
  const secureConnections = (theirs.auth & AuthBit.SecureConnections) !== 0;
  checkFeatures(talk, theirs, secureConnections);
  checkIdentifiable(talk, theirs);
  const association = chosen(ours, theirs, secureConnections);
  checkLevel(talk, wish, theirs, association, secureConnections);

  const authenticated = association !== 'just-works';
  const passkey = (): Promise<Passkey> => passkeyOf(talk, person, association);
  if (secureConnections) {
    const ltk = await agreeSecureKey(talk, request, response, {
      association,
      passkey,
      compare: (digits) => talk.ask(Failure.Comparison, (signal) => presentOf(person).compare(digits, signal)),
    });
    const rand = Buffer.alloc(8);
    await link.encrypt(ltk, 0, rand);
    const { identity } = await takeKeys(talk, theirs.responderKeys & ~KeyBit.Encryption);
    return { bond: { ltk, ediv: 0, rand, secureConnections, authenticated }, identity };
  }
  const shortTermKey = await agreeLegacyKey(talk, request, response, authenticated ? await passkey() : undefined);
  await link.encrypt(shortTermKey, 0, Buffer.alloc(8));
  const { key, identity } = await takeKeys(talk, theirs.responderKeys);
  if (!key) throw new InvariantError('a device that gives no key was not refused');
  return { bond: { ...key, secureConnections, authenticated }, identity };
}

/** What no wish makes good. */
function checkFeatures(talk: PairingTalk, theirs: PairingFeatures, secureConnections: boolean): void {
  const { maxKeyBytes, initiatorKeys, responderKeys, auth } = theirs;
  if (maxKeyBytes < MIN_KEY_BYTES || maxKeyBytes > KEY_BYTES || initiatorKeys !== 0 || responderKeys & ~OFFERED_KEYS) {
    throw talk.failed(Failure.Parameters, pairingFailed('the device answers with what was not offered'));
  }
  if (maxKeyBytes !== KEY_BYTES) {
    throw talk.failed(
      Failure.KeySize,
      pairingFailed(`the device wants a key of ${maxKeyBytes} bytes, which is not safe`),
    );
  }
  if (theirs.hasOobData && secureConnections) {
    throw talk.failed(
      Failure.AuthenticationRequirements,
      pairingFailed('the device needs out-of-band data, which this agent does not take'),
    );
  }
  if (!wantsBonding(auth) || (!secureConnections && (responderKeys & KeyBit.Encryption) === 0)) {
    throw talk.failed(Failure.AuthenticationRequirements, pairingFailed('the device keeps no bonds'));
  }
}

/** A bond with an address that changes is worth nothing without the key by which the next one is known. */
function checkIdentifiable(talk: PairingTalk, { responderKeys }: PairingFeatures): void {
  const { responder, responderIsRandom } = talk.link.parties;
  if (!responderIsRandom || !isPrivate(responder) || (responderKeys & KeyBit.Identity) !== 0) return;
  const detail = 'the device changes its address and gives no key to know it by';
  throw talk.failed(Failure.AuthenticationRequirements, pairingFailed(detail));
}

function chosen(ours: PairingFeatures, theirs: PairingFeatures, secureConnections: boolean): Association {
  const mitm = ((ours.auth | theirs.auth) & AuthBit.Mitm) !== 0;
  return mitm ? associationOf(ours.ioCapability, theirs.ioCapability, secureConnections) : 'just-works';
}

/** Nothing weaker than asked for, and nothing weaker than it was. */
function checkLevel(
  talk: PairingTalk,
  { minimum, known, person }: PairingWish,
  theirs: PairingFeatures,
  association: Association,
  secureConnections: boolean,
): void {
  const refuse = (error: LinkError): LinkError => talk.failed(Failure.AuthenticationRequirements, error);
  if (known?.secureConnections && !secureConnections) {
    throw refuse(
      new LinkError('link.downgrade', { detail: 'it was bonded by Secure Connections and offers legacy pairing' }),
    );
  }
  if (association !== 'just-works') return;
  if (known?.authenticated && person) {
    throw refuse(
      new LinkError('link.downgrade', { detail: 'it was bonded with a passkey and offers to pair without' }),
    );
  }
  if (minimum === 'encrypted' && !known?.authenticated) return;
  if (!person || (theirs.auth & AuthBit.Mitm) !== 0) {
    throw refuse(new LinkError('link.passkey-required', { detail: 'without it nobody knows who answers' }));
  }
  throw refuse(
    new LinkError('link.security-level', {
      expected: minimum,
      actual: 'encrypted at most',
      detail: 'it can neither show digits nor take them in',
    }),
  );
}

async function passkeyOf(
  talk: PairingTalk,
  person: PairingPerson | undefined,
  association: Association,
): Promise<Passkey> {
  if (association === 'show-passkey') {
    const digits = String(randomInt(1_000_000)).padStart(6, '0');
    presentOf(person).showPasskey(digits);
    return Passkey.parse(digits, 'passkey');
  }
  if (!person) throw new InvariantError('a passkey is wanted of nobody');
  return talk.ask(Failure.PasskeyEntry, (signal) => person.enterPasskey(signal));
}

function presentOf(person: PairingPerson | undefined): NonNullable<PairingPerson['present']> {
  if (!person?.present) throw new InvariantError('digits are shown to nobody');
  return person.present;
}

/** What the device gives once the link is encrypted, in the order of 3.6.1. */
async function takeKeys(
  talk: PairingTalk,
  keys: number,
): Promise<{ readonly key?: Pick<Bond, 'ltk' | 'ediv' | 'rand'>; readonly identity: PeerIdentity | undefined }> {
  let key: Pick<Bond, 'ltk' | 'ediv' | 'rand'> | undefined;
  if (keys & KeyBit.Encryption) {
    const ltk = Buffer.from(await talk.expect(SmpCode.EncryptionInformation, 16));
    const identification = await talk.expect(SmpCode.CentralIdentification, 10);
    key = { ltk, ediv: identification.readUInt16LE(0), rand: Buffer.from(identification.subarray(2)) };
  }
  let identity: PeerIdentity | undefined;
  if (keys & KeyBit.Identity) {
    const irk = Buffer.from(await talk.expect(SmpCode.IdentityInformation, 16));
    identity = identityOf(talk, irk, await talk.expect(SmpCode.IdentityAddressInformation, 7));
  }
  return { ...(key && { key }), identity };
}

/** An identity is a public address, or a static random one (3.6.5). */
function identityOf(talk: PairingTalk, irk: Buffer, body: Buffer): PeerIdentity {
  const kind = body.readUInt8(0);
  const address = Buffer.from(body.subarray(1));
  if (kind === 0 || (kind === 1 && isStatic(address))) return { irk, isRandom: kind === 1, address };
  throw talk.failed(Failure.Parameters, pairingFailed('the device gives an identity address that may change'));
}
