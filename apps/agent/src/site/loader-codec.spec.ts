import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { loadLoaderCodec, protocolsWith } from './loader-codec.js';

const folder = mkdtempSync(join(tmpdir(), 'drydock-codec-'));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return `./${name}`;
};
const CODEC = `{
  id: 'mine', provenance: 'licensed', encode: () => [], decode: () => undefined,
  handover: { isNewLink: true, timeoutMs: 5000 }, exit: 'request',
}`;

describe('a loader codec', () => {
  it.each([
    ['by name', 'loaderCodec', `export const loaderCodec = ${CODEC};`],
    ['as default', 'default', `export default ${CODEC};`],
  ])('is loaded %s', async (_, kind, text) => {
    const codec = await loadLoaderCodec(write(`${kind}.mjs`, text), folder);
    expect(codec.id).toBe('mine');
    const protocols = protocolsWith(codec);
    expect(protocols.get('csr-dfu')).toMatchObject({ name: 'csr-dfu', links: ['serial'] });
    expect(protocols.size).toBeGreaterThan(3);
  });

  it.each([
    ['is not there', './none.mjs', undefined],
    ['is a package that is not installed', 'nobody-wrote-this-codec', undefined],
    ['exports nothing', './empty.mjs', 'export {};'],
    ['exports something else', './other.mjs', 'export default { id: 7 };'],
    ['breaks when it is loaded', './broken.mjs', "throw new Error('no licence');"],
  ])('that %s is told', async (_, name, text) => {
    if (text !== undefined) write(name.slice(2), text);
    await expect(loadLoaderCodec(name, folder)).rejects.toMatchObject({
      code: 'settings.invalid',
      params: { field: 'loaderCodec' },
    });
  });
});
