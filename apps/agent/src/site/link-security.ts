/** What a site file says of the security of Bluetooth links, put together from model and device. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Passkey } from '../links/ble/pairing/passkey.js';
import type { SecurityPolicy } from '../links/ble/security-policy.js';
import { z } from 'zod';

export const LinkSecurity = z.strictObject({
  /** The least that a link must be before anything is said to the device. */
  level: z.enum(['unencrypted', 'encrypted', 'authenticated']).optional(),
  /** Who may pair: a person alone, or also the agent. */
  pairing: z.enum(['by-hand', 'when-lost', 'when-needed']).optional(),
  /** Six digits, or the path of a file beside this one that holds them. */
  passkey: z.string().min(1).max(400).optional(),
});
export type LinkSecurity = z.infer<typeof LinkSecurity>;

const MAX_PASSKEY_FILE_BYTES = 64;
const MODE_OF_OTHERS = 0o077;

/**
 * @param ofModel, ofDevice what is said of both; the device's word counts.
 * @param sitePath the site file itself.
 * @param refuse makes the error of a field; never with the digits.
 * @param isDevice false: of a model alone, whose devices may have a passkey each.
 * @returns undefined when nothing is said.
 */
export async function linkSecurityOf(
  ofModel: LinkSecurity | undefined,
  ofDevice: LinkSecurity | undefined,
  sitePath: string,
  refuse: (field: string, detail: string) => never,
  isDevice = true,
): Promise<SecurityPolicy | undefined> {
  if (!ofModel && !ofDevice) return undefined;
  const { level = 'unencrypted', pairing = 'by-hand', passkey: said } = { ...ofModel, ...ofDevice };
  if (pairing === 'when-needed' && level === 'unencrypted') {
    refuse('pairing', 'when-needed: without a level nothing is ever needed');
  }
  if (isDevice && pairing !== 'by-hand' && level === 'authenticated' && said === undefined) {
    refuse('passkey', `${pairing}: without a passkey the agent can pair with nobody as authenticated`);
  }
  if (said !== undefined && pairing === 'by-hand') {
    refuse('passkey', 'by-hand: the person who pairs knows it, so it need not lie here');
  }
  const passkey =
    said === undefined ? undefined : await passkeyOf(said, sitePath, (detail) => refuse('passkey', detail));
  return { level, pairing, ...(passkey && { passkey }) };
}

async function passkeyOf(said: string, sitePath: string, refuse: (detail: string) => never): Promise<Passkey> {
  const isHere = /^[0-9]+$/.test(said);
  const path = isHere ? sitePath : resolve(dirname(sitePath), said);
  const facts = await stat(path).catch(() => refuse('there is no such file; digits are written in quotes'));
  if ((facts.mode & MODE_OF_OTHERS) !== 0) {
    refuse(`whoever can read ${isHere ? 'this file' : 'it'} can pair with the device: chmod 600`);
  }
  if (!isHere && facts.size > MAX_PASSKEY_FILE_BYTES) refuse('the file is too large for six digits');
  const digits = isHere ? said : (await readFile(path, 'utf8').catch(() => refuse('the file cannot be read'))).trim();
  try {
    return Passkey.parse(digits, 'passkey');
  } catch {
    return refuse('a passkey is six digits, with its leading zeros');
  }
}
