/**
 * LE legacy pairing as initiator: Just Works and Passkey Entry. Whoever listens to the pairing itself can learn the
 * key, because a passkey has few digits and Just Works has none; afterwards nobody can.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.3.5.2 to 2.3.5.5, appendix C.2.1.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { c1, s1 } from './legacy-functions.js';
import { pairingFailed } from './pairing-errors.js';
import type { PairingTalk } from './pairing-talk.js';
import type { Passkey } from './passkey.js';
import { Failure, SmpCode } from './smp-wire.js';

/**
 * @param request, response the two feature messages, whole.
 * @param passkey undefined for Just Works.
 * @returns the short term key, with which the link is to be encrypted.
 */
export async function agreeLegacyKey(
  talk: PairingTalk,
  request: Buffer,
  response: Buffer,
  passkey: Passkey | undefined,
): Promise<Buffer> {
  const temporaryKey = passkey?.toKey() ?? Buffer.alloc(16);
  const confirmOf = (random: Uint8Array): Buffer => c1(temporaryKey, random, request, response, talk.link.parties);
  const ownRandom = randomBytes(16);
  talk.send(SmpCode.PairingConfirm, confirmOf(ownRandom));
  const confirm = await talk.expect(SmpCode.PairingConfirm, 16);
  talk.send(SmpCode.PairingRandom, ownRandom);
  const random = await talk.expect(SmpCode.PairingRandom, 16);
  if (random.equals(ownRandom))
    throw talk.failed(Failure.ConfirmValue, pairingFailed('the device answered with our own number'));
  if (!timingSafeEqual(confirmOf(random), confirm)) {
    throw talk.failed(Failure.ConfirmValue, pairingFailed('the confirmation of the device does not hold'));
  }
  return s1(temporaryKey, random, ownRandom);
}
