/** Signing keys of Nordic's secure bootloader: ECDSA P-256, in PEM files as nrfutil and OpenSSL write them. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { DrydockError } from '@drydock/dfu-core';

const MAX_KEY_BYTES = 64 * 1024;

/** @throws DrydockError `request.invalid` when it is no private P-256 key. The key itself is never part of a message. */
export async function readPrivateKey(path: string): Promise<KeyObject> {
  const pem = await readPem(path);
  try {
    return p256(createPrivateKey(pem), path);
  } catch (error) {
    if (error instanceof DrydockError) throw error;
    throw wrong(`${path}: no private key in PEM form without a passphrase`);
  }
}

/** Of a private key its public half. @throws DrydockError `request.invalid` */
export async function readPublicKey(path: string): Promise<KeyObject> {
  const pem = await readPem(path);
  try {
    return p256(createPublicKey(pem), path);
  } catch (error) {
    if (error instanceof DrydockError) throw error;
    throw wrong(`${path}: no key in PEM form`);
  }
}

/** The 32 bytes that sign. */
export function privateScalar(key: KeyObject): Uint8Array {
  return new Uint8Array(Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url'));
}

/** 64 bytes x, y. */
export function publicPoint(key: KeyObject): Uint8Array {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  return new Uint8Array(Buffer.concat([Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]));
}

async function readPem(path: string): Promise<string> {
  const pem = await readFile(path, 'utf8').catch((error: Error) => {
    throw wrong(`${path}: ${error.message}`);
  });
  if (pem.length > MAX_KEY_BYTES) throw wrong(`${path}: too large for a key`);
  return pem;
}

function p256(key: KeyObject, path: string): KeyObject {
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw wrong(`${path}: ${key.asymmetricKeyType ?? 'a key'} of another kind; the bootloader takes ECDSA P-256`);
  }
  return key;
}

const wrong = (detail: string): DrydockError => new DrydockError('request.invalid', { detail });
