/** May I send it? What was checked when the file was read, and what cannot be checked. Pure. */
import type { Artifact } from '../../data/shapes.js';

export interface Check {
  readonly name: string;
  /** `note`: told by the file, nothing to be judged. */
  readonly state: 'yes' | 'cannot' | 'no' | 'note';
  readonly sentence: string;
}

export const CHECK_MARKS: Readonly<Record<Check['state'], string>> = { yes: '✓', cannot: '?', no: '✕', note: '·' };

/** The marks for those who do not see them. */
export const CHECK_WORDS: Readonly<Record<Check['state'], string>> = {
  yes: 'checked',
  cannot: 'cannot be checked',
  no: 'fails',
  note: 'note',
};

export function checksOf(artifact: Artifact, modelRequiresSignature: boolean | undefined): Check[] {
  const { description } = artifact;
  const hardware = Object.entries(description.hardware).map(([name, value]) => `${name} ${value}`);
  const says = description.images.some((image) => image.version === artifact.version);
  return [
    {
      name: 'format',
      state: 'yes',
      sentence: `${artifact.format}; its structure and check sums are right`,
    },
    hardware.length > 0
      ? { name: 'model', state: 'yes', sentence: `${artifact.model}; the file says ${hardware.join(', ')}` }
      : {
          name: 'model',
          state: 'cannot',
          sentence: `${artifact.model}, as whoever uploaded it said; the file does not say what it is for`,
        },
    says
      ? { name: 'version', state: 'yes', sentence: `${artifact.version}, as the file says` }
      : { name: 'version', state: 'cannot', sentence: `${artifact.version}, as whoever uploaded it said` },
    signatureCheck(artifact, modelRequiresSignature),
    artifact.runningHashes.length > 0
      ? { name: 'proof', state: 'yes', sentence: 'a device that names the hash of what it runs can be believed' }
      : {
          name: 'proof',
          state: 'cannot',
          sentence:
            artifact.runningVersion === null
              ? 'no device can be proven to run it: the file names no hash, and nobody said what the device calls it'
              : `devices are recognized by the version ${artifact.runningVersion} only`,
        },
    ...description.notes.map(
      (note): Check => ({ name: 'content', state: /encrypt/i.test(note) ? 'cannot' : 'note', sentence: note }),
    ),
  ];
}

function signatureCheck({ signature, model }: Artifact, required: boolean | undefined): Check {
  if (signature === 'verified') {
    return { name: 'signature', state: 'yes', sentence: `by a release key of ${model}` };
  }
  if (signature === 'present') {
    return { name: 'signature', state: 'cannot', sentence: `signed by a key that is not kept for ${model}` };
  }
  return required === true
    ? { name: 'signature', state: 'no', sentence: `not signed, and ${model} requires a signature now` }
    : { name: 'signature', state: 'cannot', sentence: `not signed; ${model} does not require it` };
}

/** The first line. */
export function verdictOf(artifact: Artifact, checks: readonly Check[]): string {
  const no = checks.filter((check) => check.state === 'no').length;
  const cannot = checks.filter((check) => check.state === 'cannot').length;
  if (no > 0) return `No: ${no === 1 ? 'one check fails' : `${no} checks fail`}.`;
  const rest =
    cannot === 0
      ? 'Everything could be checked.'
      : cannot === 1
        ? 'One check is not possible.'
        : `${cannot} checks are not possible.`;
  return `Yes, to ${artifact.model}. ${rest}`;
}
