import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { judgeUpload, plainFileName, type UploadedFile } from './upload-rules.js';

const file: UploadedFile = {
  format: 'mcuboot',
  images: [{ kind: 'application', version: '1.2.3', runningHash: 'ab' }],
  signed: true,
  hardware: { hwVersion: 52 },
};
const model = { requiresSignature: false, hardware: {}, formats: [] };

describe('what an upload must satisfy', () => {
  it('takes version and hashes from the file', () => {
    expect(judgeUpload(file, { model: 'm' }, model)).toEqual({
      ok: true,
      version: '1.2.3',
      runningVersion: null,
      runningHashes: ['ab'],
    });
  });

  it.each([
    ['another format', { ...model, formats: ['nordic-secure-zip'] }, 'artifact.wrong-model'],
    ['other hardware', { ...model, hardware: { hwVersion: 51 } }, 'artifact.wrong-hardware'],
  ])('refuses %s', (_, rules, code) =>
    expect(judgeUpload(file, { model: 'm' }, rules)).toMatchObject({ ok: false, code }),
  );

  it('compares facts as they are written, and only those that both state', () => {
    const rules = { ...model, hardware: { hwVersion: '52', part: 1 } };
    expect(judgeUpload(file, { model: 'm' }, rules).ok).toBe(true);
  });

  it('refuses an unsigned file where a signature is required', () => {
    const verdict = judgeUpload({ ...file, signed: false }, { model: 'm' }, { ...model, requiresSignature: true });
    expect(verdict).toMatchObject({ ok: false, code: 'artifact.unsigned', params: { model: 'm' } });
  });

  it('refuses a version that contradicts one by which devices name the image', () => {
    expect(judgeUpload(file, { model: 'm', version: '9.9.9' }, model)).toMatchObject({
      ok: false,
      params: { field: 'version' },
    });
  });

  it('lets a person name what a file only numbers, and wants a version from somewhere', () => {
    const numbered = { ...file, images: [{ kind: 'application', version: '7' }] };
    expect(judgeUpload(numbered, { model: 'm', version: '2.0' }, model)).toMatchObject({ ok: true, version: '2.0' });
    const silent = { ...file, images: [{ kind: 'application' }] };
    expect(judgeUpload(silent, { model: 'm' }, model)).toMatchObject({ ok: false, params: { field: 'version' } });
  });
});

describe('file names', () => {
  it.each([
    ['../../etc/passwd', 'passwd'],
    ['C:\\fw\\app.zip', 'app.zip'],
    ['..', 'artifact'],
    [undefined, 'artifact'],
    ['a\u0000\nb.bin', 'ab.bin'],
  ])('%j becomes %j', (given, plain) => expect(plainFileName(given)).toBe(plain));

  it('are plain whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (given) => {
        const plain = plainFileName(given);
        expect(plain).not.toMatch(/[\\/\u0000-\u001f]/);
        expect(plain).not.toMatch(/^\./);
        expect(plain.length).toBeGreaterThan(0);
      }),
    );
  });
});
