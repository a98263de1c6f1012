/** A stage's bar. All stages have one width: by size a canary would vanish. */
import type { SumsBody } from '@drydock/contracts';
import { stageParts } from './bar-parts.js';
import { Bar } from './bar.js';

export function StageBar({ sums, name }: { sums: SumsBody; name: string }) {
  return <Bar parts={stageParts(sums)} of={`stage ${name}`} height={12} />;
}
