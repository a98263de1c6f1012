/** The secrets of a browser's session: 256 random bits in a cookie, stored as a hash; a second one for the page, made from it. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** A fresh secret: of a session, of a link, of a way to a provider and back. */
export function makeSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** SHA-256 is enough: the secret is random, so there is nothing to guess from its hash. */
export function hashSessionSecret(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest();
}

/** What a page of this server must know to act with the cookie; other sites can send the cookie, but not read this. */
export function csrfTokenOf(secret: string): string {
  return createHmac('sha256', secret).update('drydock csrf 1').digest('base64url');
}

export function isCsrfToken(secret: string, given: string): boolean {
  const wanted = Buffer.from(csrfTokenOf(secret));
  const found = Buffer.from(given);
  return wanted.length === found.length && timingSafeEqual(wanted, found);
}
