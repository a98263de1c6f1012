/** Why a pairing failed, in words and as typed errors. Source: Bluetooth Core 5.2, Vol 3 Part H, 3.5.5. */
import { LinkError } from '@drydock/dfu-core';

/** @param detail a clause that ends without a full stop. */
export const pairingFailed = (detail: string): LinkError => new LinkError('link.pairing-failed', { detail });

/** The device said Pairing Failed. @param hadPasskey whether we had one to give. */
export function failureToldByDevice(reason: number, hadPasskey: boolean): LinkError {
  if (reason === AUTHENTICATION_REQUIREMENTS && !hadPasskey) {
    return new LinkError('link.passkey-required', {
      detail: 'it pairs with nobody who cannot prove to know it or compare numbers',
    });
  }
  const said = REASONS[reason] ?? `it names reason 0x${reason.toString(16).padStart(2, '0')}`;
  const passkey = hadPasskey && BAD_PASSKEY.has(reason) ? '; most likely the passkey is another one' : '';
  return pairingFailed(`${said}${passkey}`);
}

const AUTHENTICATION_REQUIREMENTS = 0x03;
const BAD_PASSKEY = new Set([0x04, 0x0b]);

const REASONS: Readonly<Record<number, string>> = {
  0x01: 'the device says that no passkey was entered',
  0x02: 'the device needs out-of-band data, which this agent does not take',
  0x03: 'the device wants a stronger way of pairing than both sides can do',
  0x04: 'the device says that our confirmation does not hold',
  0x05: 'the device does not pair now',
  0x06: 'the device finds our key too short',
  0x07: 'the device does not know a message of ours',
  0x08: 'the device gives up without a reason',
  0x09: 'the device has seen too many attempts: try again later',
  0x0a: 'the device does not understand the request',
  0x0b: 'the device says that our check of the key does not hold',
  0x0c: 'the numbers were said to differ at the device',
  0x0d: 'the device is pairing in another way',
  0x0e: 'the device may not take a key from another way of pairing',
  0x0f: 'the device rejects the key',
};
