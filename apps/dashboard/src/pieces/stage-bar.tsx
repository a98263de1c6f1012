/** A stage's bar. All stages have one width: by size a canary would vanish. */
import type { PartsBody } from '@drydock/contracts';
import { barParts } from './bar-parts.js';
import { Bar } from './bar.js';

export function StageBar({ parts, name }: { parts: PartsBody; name: string }) {
  return <Bar parts={barParts(parts)} of={`stage ${name}`} height={12} />;
}
