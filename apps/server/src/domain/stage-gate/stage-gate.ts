/** The gate of a stage. Unknown never counts as good; a gate that cannot be evaluated stays shut (P11). */
import type { Gate } from '@drydock/contracts';
import type { Sums } from '../sums/sums.js';

export type GateVerdict =
  /** Holds, even if everything still unresolved turns out bad. */
  | { readonly kind: 'holds'; readonly share: number }
  /** Cannot hold any more, even if everything still unresolved turns out good. */
  | { readonly kind: 'fails'; readonly share: number }
  /** Nothing more will come, and too little is known. */
  | { readonly kind: 'cannot-tell'; readonly known: number }
  | { readonly kind: 'waits' };

/**
 * @param forgiven failures that a person has answered for by resuming; they are left out of the share.
 * @param untriedStrata running versions that the gate wants tried and of which no result is known yet.
 */
export function judgeGate(sums: Sums, gate: Gate, forgiven = 0, untriedStrata: readonly string[] = []): GateVerdict {
  const bad = Math.max(0, sums.failed + sums.reverted + sums.suspect - forgiven);
  const tried = Math.max(bad, sums.known + sums.suspect - forgiven);
  // A suspect whose deployment goes on may still be proven: it keeps the gate shut, it does not fail it.
  const certain = sums.unfinished === 0 ? bad : Math.max(0, bad - sums.suspect);
  const best = tried + sums.unresolved === 0 ? null : certain / (tried + sums.unresolved);
  if (best !== null && best > gate.maxFailureShare) return { kind: 'fails', share: best };
  if (sums.known < gate.minKnown || untriedStrata.length > 0) {
    // Suspects may still become known by proof; while one is left, a person need not be called.
    return sums.unresolved + sums.suspect === 0 ? { kind: 'cannot-tell', known: sums.known } : { kind: 'waits' };
  }
  const worst = tried + sums.unresolved === 0 ? 0 : (bad + sums.unresolved) / (tried + sums.unresolved);
  return worst <= gate.maxFailureShare ? { kind: 'holds', share: worst } : { kind: 'waits' };
}
