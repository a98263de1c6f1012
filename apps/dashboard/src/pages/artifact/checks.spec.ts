import { describe, expect, it } from '@jest/globals';
import type { Artifact } from '../../data/shapes.js';
import { checksOf, verdictOf } from './checks.js';

const SIGNED: Artifact = {
  id: '11111111-1111-4111-8111-111111111111',
  sha256: 'ab'.repeat(32),
  sizeBytes: 1000,
  fileName: 'sensor.zip',
  format: 'nordic-zip',
  model: 'sensor-2',
  version: '6',
  runningVersion: null,
  runningHashes: ['cd'.repeat(32)],
  requires: {},
  signature: 'verified',
  createdAt: '2026-11-20T12:00:00Z',
  description: {
    format: 'nordic-zip',
    protocols: ['nordic-dfu'],
    images: [{ image: 0, kind: 'application', version: '6', sizeBytes: 900, sha256: 'ab'.repeat(32) }],
    signatures: [],
    hardware: { hwVersion: 52 },
    notes: [],
  },
};
const statesOf = (artifact: Artifact, required?: boolean) =>
  checksOf(artifact, required).map((check) => `${check.name} ${check.state}`);

describe('may I send it?', () => {
  it('says yes where everything could be checked', () => {
    expect(statesOf(SIGNED)).toEqual(['format yes', 'model yes', 'version yes', 'signature yes', 'proof yes']);
    expect(verdictOf(SIGNED, checksOf(SIGNED, true))).toBe('Yes, to sensor-2. Everything could be checked.');
  });

  it('never calls checked what only a person said, or nobody can see', () => {
    const bare: Artifact = {
      ...SIGNED,
      version: '7',
      runningHashes: [],
      signature: 'present',
      description: { ...SIGNED.description, hardware: {}, notes: ['The content is encrypted by its maker.', 'requires SoftDevice 0x0101'] },
    };
    expect(statesOf(bare)).toEqual([
      'format yes',
      'model cannot',
      'version cannot',
      'signature cannot',
      'proof cannot',
      'content cannot',
      'content note',
    ]);
    expect(verdictOf(bare, checksOf(bare, true))).toBe('Yes, to sensor-2. 5 checks are not possible.');
  });

  it('says no where the model has come to require a signature', () => {
    const unsigned: Artifact = { ...SIGNED, signature: 'none' };
    expect(verdictOf(unsigned, checksOf(unsigned, false))).toMatch(/^Yes/);
    expect(verdictOf(unsigned, checksOf(unsigned, undefined))).toMatch(/^Yes/);
    expect(verdictOf(unsigned, checksOf(unsigned, true))).toBe('No: one check fails.');
  });
});
