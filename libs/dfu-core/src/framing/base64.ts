/** Base64, standard alphabet with padding (RFC 4648 section 4): platform-free, strict when decoding. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PAD = 0x3d;

const CODES = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));
const VALUES = new Int8Array(256).fill(-1);
CODES.forEach((code, value) => (VALUES[code] = value));

/** @returns true for a character of the alphabet or the padding sign. */
export function isBase64Code(code: number): boolean {
  return code === PAD || (VALUES[code] ?? -1) >= 0;
}

/** @returns the text as ASCII codes, padded to a multiple of four. */
export function encodeBase64(bytes: Uint8Array): Uint8Array {
  const text = new Uint8Array(4 * Math.ceil(bytes.length / 3));
  let at = 0;
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text[at++] = CODES[group >> 18] ?? 0;
    text[at++] = CODES[(group >> 12) & 63] ?? 0;
    text[at++] = left > 1 ? (CODES[(group >> 6) & 63] ?? 0) : PAD;
    text[at++] = left > 2 ? (CODES[group & 63] ?? 0) : PAD;
  }
  return text;
}

/** @returns the bytes, or undefined when the ASCII codes are no whole base64 text. Padding only at the end. */
export function decodeBase64(text: Uint8Array): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  let padding = 0;
  if (text.length > 0 && text[text.length - 1] === PAD) padding = text[text.length - 2] === PAD ? 2 : 1;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let at = 0;
  for (let i = 0; i < text.length; i += 4) {
    let group = 0;
    for (let k = 0; k < 4; k++) {
      const code = text[i + k] ?? 0;
      const isPadding = code === PAD && i + k >= text.length - padding;
      const value = isPadding ? 0 : (VALUES[code] ?? -1);
      if (value < 0) return undefined;
      group = (group << 6) | value;
    }
    for (let shift = 16; shift >= 0 && at < bytes.length; shift -= 8) bytes[at++] = (group >> shift) & 0xff;
  }
  return bytes;
}
