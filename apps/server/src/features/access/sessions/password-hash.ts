/**
 * Passwords are kept as scrypt (RFC 7914) with a salt of their own, at the cost that the OWASP password storage cheat
 * sheet names for 32 MiB (N 2^15, r 8, p 3). The cost stands in the text, so that it can be raised later.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

const COST = { N: 2 ** 15, r: 8, p: 3 } as const;
const SALT_BYTES = 16;
const KEY_BYTES = 32;
/** So many at once: each takes 32 MiB and a thread. Others wait. */
const AT_ONCE = 2;
const FORM = /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9_-]{16,64})\$([A-Za-z0-9_-]{32,128})$/;

/** @returns `scrypt$log2(N)$r$p$salt$key`, the last two in base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, salt, KEY_BYTES, COST);
  return ['scrypt', Math.log2(COST.N), COST.r, COST.p, salt.toString('base64url'), key.toString('base64url')].join('$');
}

/** @returns whether it is the password. Without a hash it takes as long and says no, so that time tells nothing. */
export async function isPassword(password: string, hash: string | null): Promise<boolean> {
  const parts = FORM.exec(hash ?? '');
  if (!parts) {
    await derive(password, Buffer.alloc(SALT_BYTES), KEY_BYTES, COST);
    return false;
  }
  const [log2N, r, p] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  const wanted = Buffer.from(parts[5]!, 'base64url');
  const found = await derive(password, Buffer.from(parts[4]!, 'base64url'), wanted.length, { N: 2 ** log2N, r, p });
  return timingSafeEqual(wanted, found);
}

let running = 0;
const waiting: (() => void)[] = [];

async function derive(
  password: string,
  salt: Buffer,
  length: number,
  cost: { N: number; r: number; p: number },
): Promise<Buffer> {
  if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else running += 1;
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      // Twice what the function needs: 128 N r bytes.
      scrypt(password.normalize('NFC'), salt, length, { ...cost, maxmem: 256 * cost.N * cost.r }, (error, key) =>
        error ? reject(error) : resolve(key),
      );
    });
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
}
