/** Personal API tokens: 256 random bits behind a prefix that secret scanners can find; stored as a hash only. */
import { createHash, randomBytes } from 'node:crypto';

export const API_TOKEN_PREFIX = 'dd_';
const FORM = /^dd_[A-Za-z0-9_-]{43}$/;

export interface NewApiToken {
  /** Shown once to its person. */
  readonly text: string;
  readonly hash: Buffer;
  /** The first characters, to recognize it in lists. */
  readonly hint: string;
}

export function makeApiToken(): NewApiToken {
  const text = API_TOKEN_PREFIX + randomBytes(32).toString('base64url');
  return { text, hash: hashApiToken(text), hint: text.slice(0, 7) };
}

/** SHA-256 is enough: the token is random, so there is nothing to guess from its hash. */
export function hashApiToken(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}

/** @returns the token of an Authorization header, or undefined when it is none of ours. */
export function apiTokenFrom(header: string | undefined): string | undefined {
  const token = /^Bearer ([^\s]{1,200})$/i.exec(header ?? '')?.[1];
  return token !== undefined && FORM.test(token) ? token : undefined;
}
