/** Whether failures gather somewhere: a group against the rest of the same campaign. A description, not the brake's test. */
import { wilsonInterval } from './wilson.js';

export interface Gathering {
  /** Failures of the group above what the share of the rest would give. */
  readonly excess: number;
  /** The group's likely range lies above the share of the rest, and more than one failed there. */
  readonly credible: boolean;
}

/**
 * @param there failed and tried in the group. @param elsewhere the same of the rest; without any nothing can be compared.
 */
export function gatheringOf(
  there: { readonly n: number; readonly of: number },
  elsewhere: { readonly n: number; readonly of: number },
): Gathering {
  if (there.of === 0 || elsewhere.of === 0) return { excess: 0, credible: false };
  const rest = elsewhere.n / elsewhere.of;
  return {
    excess: there.n - there.of * rest,
    credible: there.n > 1 && wilsonInterval(there.n, there.of).low > rest,
  };
}
