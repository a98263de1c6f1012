/** Hex as vectors, logs and hashes spell it: lower case, no separators. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** Accepts spaces between bytes. @throws TypeError on anything that is not whole bytes of hex. */
export function fromHex(text: string): Uint8Array {
  const compact = text.replace(/\s+/g, '');
  if (compact.length % 2 !== 0 || /[^0-9a-f]/i.test(compact)) throw new TypeError('not hex: ' + text.slice(0, 40));
  const bytes = new Uint8Array(compact.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(compact.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
