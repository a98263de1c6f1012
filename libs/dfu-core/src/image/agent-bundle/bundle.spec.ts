import { describe, expect, it } from '@jest/globals';
import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { unzipSync, zipSync } from 'fflate';
import { ArtifactError } from '../../errors.js';
import { describeArtifact } from '../describe.js';
import { isAgentBundle, makeAgentBundle, openAgentBundle } from './bundle.js';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const FILES = new Map([
  ['agent.mjs', text('console.log("agent")')],
  ['prebuilds/linux-x64/x.node', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46)],
]);
const made = makeAgentBundle({
  version: '0.2.0',
  platforms: ['linux-x64', 'linux-arm64'],
  files: FILES,
  sign: (message) => new Uint8Array(sign(null, message, privateKey)),
});
/** The same archive with members replaced (or, by undefined, left out). */
function with_(changes: Readonly<Record<string, Uint8Array | undefined>>): Uint8Array {
  const members = { ...unzipSync(made), ...changes };
  return zipSync(Object.fromEntries(Object.entries(members).filter(([, bytes]) => bytes !== undefined)) as never);
}
const manifestWith = (change: (manifest: Record<string, unknown>) => void): Uint8Array => {
  const manifest = JSON.parse(new TextDecoder().decode(unzipSync(made)['drydock-agent.json'])) as never;
  change(manifest);
  return with_({ 'drydock-agent.json': text(JSON.stringify(manifest)) });
};

describe('the bundle of an agent', () => {
  it('is described, with the digest by which the running agent is known', () => {
    const digest = createHash('sha256').update(made).digest('hex');
    expect(describeArtifact(made)).toMatchObject({
      format: 'drydock-agent-bundle',
      protocols: ['drydock-agent'],
      sha256: digest,
      images: [{ image: 0, version: '0.2.0', runningHash: digest }],
      signatures: [{ scheme: 'ed25519', covers: 'drydock-agent.json' }],
    });
  });

  it('is the same for the same parts, and its signature holds over the manifest', () => {
    const again = makeAgentBundle({
      version: '0.2.0',
      platforms: ['linux-x64', 'linux-arm64'],
      files: new Map([...FILES].reverse()),
      sign: (message) => new Uint8Array(sign(null, message, privateKey)),
    });
    expect(Buffer.from(again).equals(made)).toBe(true);
    const bundle = openAgentBundle(made);
    expect(verify(null, bundle.signed, publicKey, bundle.signature!)).toBe(true);
    expect(bundle.manifest.files.map((file) => new TextDecoder().decode(bundle.read(file)).length)).toEqual([20, 4]);
    expect(makeUnsigned().signature).toBeUndefined();
  });

  it.each([
    ['another file than the manifest names', () => with_({ 'agent.mjs': text('console.log("evilo")') }), /digest/],
    ['a file of another size', () => with_({ 'agent.mjs': text('evil') }), /manifest says 20/],
    ['a file that is not signed', () => with_({ 'more.mjs': text('x') }), /does not name it/],
    ['a missing file', () => with_({ 'prebuilds/linux-x64/x.node': undefined }), /are missing/],
    ['a signature of another length', () => with_({ 'drydock-agent.sig': new Uint8Array(63) }), /63 bytes/],
    ['no version', () => manifestWith((it) => delete it['version']), /version/],
    ['a later form', () => manifestWith((it) => (it['v'] = 2)), /another version/],
    ['no main file', () => manifestWith((it) => (it['files'] = [])), /files/],
    ['no JSON', () => with_({ 'drydock-agent.json': text('{') }), /JSON/],
  ])('is refused with %s', (_, file, why) => {
    expect(() => describeArtifact(file())).toThrow(why);
  });

  it('survives any damage with an artifact error', () => {
    fc.assert(
      fc.property(fc.nat(made.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Uint8Array.from(made);
        damaged[at] = damaged[at]! ^ flip;
        try {
          const bundle = openAgentBundle(damaged);
          for (const file of bundle.manifest.files) bundle.read(file);
        } catch (error) {
          expect(error).toBeInstanceOf(ArtifactError);
        }
        isAgentBundle(damaged);
      }),
      { numRuns: 300 },
    );
  });
});

function makeUnsigned(): ReturnType<typeof openAgentBundle> {
  return openAgentBundle(makeAgentBundle({ version: '0.2.0', platforms: ['linux-x64'], files: FILES }));
}
