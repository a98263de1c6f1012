/**
 * LE Secure Connections as initiator: a key agreed on P-256, authenticated by a passkey, a comparison, or nothing.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.3.5.6 (2.3.5.6.2 Just Works and Numeric Comparison, 2.3.5.6.3 Passkey
 * Entry, 2.3.5.6.5 DHKey checks), appendix C.2.2.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Association } from './association.js';
import { PairingKey } from './p256.js';
import { pairingFailed } from './pairing-errors.js';
import type { PairingTalk } from './pairing-talk.js';
import type { Passkey } from './passkey.js';
import { f4, f5, f6, g2, typedAddress } from './secure-functions.js';
import { Failure, ioCapOf, SmpCode } from './smp-wire.js';

const PASSKEY_BITS = 20;
const NOTHING = Buffer.alloc(16);

/** What the association needs of a person. */
export interface SecureHelp {
  readonly association: Association;
  passkey(): Promise<Passkey>;
  /** @returns whether the device shows the same six digits. */
  compare(digits: string): Promise<boolean>;
}

interface Nonces {
  readonly ours: Buffer;
  readonly theirs: Buffer;
  /** Value of both DHKey checks: the passkey, or zeros. */
  readonly r: Buffer;
}

/**
 * @param request, response the two feature messages, whole.
 * @returns the long term key, with which the link is to be encrypted.
 */
export async function agreeSecureKey(
  talk: PairingTalk,
  request: Buffer,
  response: Buffer,
  help: SecureHelp,
): Promise<Buffer> {
  const own = new PairingKey();
  talk.send(SmpCode.PublicKey, own.publicKey);
  const peer = await talk.expect(SmpCode.PublicKey, 64);
  const objection = own.objection(peer);
  if (objection !== undefined) throw talk.failed(Failure.Unspecified, pairingFailed(objection));

  const peerX = peer.subarray(0, 32);
  const nonces =
    help.association === 'just-works' || help.association === 'compare'
      ? await byCommitment(talk, own.x, peerX, help)
      : await byPasskey(talk, own.x, peerX, await help.passkey());
  return checkedKey(talk, own.agree(peer), nonces, ioCapOf(request), ioCapOf(response));
}

/** The device commits itself to its number before it hears ours. */
async function byCommitment(talk: PairingTalk, ownX: Buffer, peerX: Buffer, help: SecureHelp): Promise<Nonces> {
  const confirm = await talk.expect(SmpCode.PairingConfirm, 16);
  const ours = randomBytes(16);
  talk.send(SmpCode.PairingRandom, ours);
  const theirs = await talk.expect(SmpCode.PairingRandom, 16);
  checkConfirm(talk, f4(peerX, ownX, theirs, 0), confirm);
  if (help.association === 'compare') {
    const digits = String(g2(ownX, peerX, ours, theirs) % 1_000_000).padStart(6, '0');
    if (!(await help.compare(digits))) {
      throw talk.failed(Failure.Comparison, pairingFailed('the device does not show the same digits'));
    }
  }
  return { ours, theirs, r: NOTHING };
}

/** Both sides commit themselves to one bit of the passkey after the other, so that a wrong guess is told at once. */
async function byPasskey(talk: PairingTalk, ownX: Buffer, peerX: Buffer, passkey: Passkey): Promise<Nonces> {
  let ours: Buffer = NOTHING;
  let theirs: Buffer = NOTHING;
  for (let at = 0; at < PASSKEY_BITS; at += 1) {
    const bit = 0x80 | passkey.bit(at);
    ours = randomBytes(16);
    talk.send(SmpCode.PairingConfirm, f4(ownX, peerX, ours, bit));
    const confirm = await talk.expect(SmpCode.PairingConfirm, 16);
    talk.send(SmpCode.PairingRandom, ours);
    theirs = await talk.expect(SmpCode.PairingRandom, 16);
    checkConfirm(talk, f4(peerX, ownX, theirs, bit), confirm);
  }
  return { ours, theirs, r: passkey.toKey() };
}

function checkConfirm(talk: PairingTalk, expected: Buffer, confirm: Buffer): void {
  if (timingSafeEqual(expected, confirm)) return;
  throw talk.failed(Failure.ConfirmValue, pairingFailed('the confirmation of the device does not hold'));
}

/** Both sides show that they hold the same key, and saw the same features and addresses. */
async function checkedKey(
  talk: PairingTalk,
  dhKey: Buffer,
  { ours, theirs, r }: Nonces,
  ownIoCap: Buffer,
  peerIoCap: Buffer,
): Promise<Buffer> {
  const { initiator, initiatorIsRandom, responder, responderIsRandom } = talk.link.parties;
  const a = typedAddress(initiator, initiatorIsRandom);
  const b = typedAddress(responder, responderIsRandom);
  const { macKey, ltk } = f5(dhKey, ours, theirs, a, b);
  talk.send(SmpCode.DhKeyCheck, f6(macKey, ours, theirs, r, ownIoCap, a, b));
  const check = await talk.expect(SmpCode.DhKeyCheck, 16);
  if (timingSafeEqual(f6(macKey, theirs, ours, r, peerIoCap, b, a), check)) return ltk;
  throw talk.failed(Failure.DhKeyCheck, pairingFailed('the check of the key does not hold at the device'));
}
