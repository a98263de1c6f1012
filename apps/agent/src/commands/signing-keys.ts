/** What `keys` does: new keys into files of their owner, and public halves as vendors' tools spell them. */
import { generateKeyPairSync, createPublicKey } from 'node:crypto';
import { open } from 'node:fs/promises';
import { DrydockError, nordicKeyCode, nordicKeyHex } from '@drydock/dfu-core';
import { printJson, printLines, tellError } from './console-output.js';
import { publicPoint, readPublicKey } from './nordic-keys.js';

const FORMS = ['pem', 'hex', 'code'] as const;
type Form = (typeof FORMS)[number];

/** @returns the exit status. */
export async function makeKey(path: string, options: { json?: boolean } = {}): Promise<number> {
  const json = options.json ?? false;
  try {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
      const detail = error.code === 'EEXIST' ? 'it is there already, and keys are not overwritten' : error.message;
      throw new DrydockError('request.invalid', { detail: `${path}: ${detail}` });
    });
    try {
      // SEC1, the form of nrfutil's own files.
      await file.writeFile(privateKey.export({ format: 'pem', type: 'sec1' }));
      await file.sync();
    } finally {
      await file.close();
    }
    const hex = nordicKeyHex(publicPoint(createPublicKey(privateKey)));
    if (json) printJson({ file: path, publicKey: hex });
    else printLines([`${path}: a new key; keep it safe, whoever has it can sign firmware`, `public key  ${hex}`]);
    return 0;
  } catch (error) {
    return tellError(error, json);
  }
}

/** @returns the exit status. */
export async function showKey(path: string, options: { format?: string; json?: boolean } = {}): Promise<number> {
  const json = options.json ?? false;
  try {
    const form = FORMS.find((each) => each === (options.format ?? 'pem'));
    if (!form) throw new DrydockError('request.invalid', { detail: `--format: one of ${FORMS.join(', ')}` });
    const key = await readPublicKey(path);
    const spelled: Readonly<Record<Form, string>> = {
      pem: key.export({ format: 'pem', type: 'spki' }).toString(),
      hex: nordicKeyHex(publicPoint(key)),
      code: nordicKeyCode(publicPoint(key)),
    };
    if (json) printJson({ file: path, format: form, publicKey: spelled[form] });
    else printLines([spelled[form].trimEnd()]);
    return 0;
  } catch (error) {
    return tellError(error, json);
  }
}
