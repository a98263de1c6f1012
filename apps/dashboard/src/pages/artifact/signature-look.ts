import type { Artifact } from '../../data/shapes.js';
import type { Look } from '../../pieces/state-mark.js';

const LOOKS: Readonly<Record<Artifact['signature'], Look>> = {
  verified: { family: 'proven', mark: '✓', label: 'verified' },
  present: { family: 'unknown', mark: '?', label: 'of a foreign key' },
  none: { family: 'waiting', mark: '–', label: 'not signed' },
};

export const signatureLook = (signature: Artifact['signature']): Look => LOOKS[signature];
