/** The conditions of a gate one by one, as a person reads them; `judgeGate` alone decides, and both see the same sums. */
import type { Gate, GateLine, StageState } from '@drydock/contracts';
import type { Sums } from '../sums/sums.js';

export interface GateStanding {
  readonly state: StageState;
  readonly sums: Sums;
  readonly forgiven: number;
  /** Running versions that the gate wants tried and of which no result is known yet. */
  readonly untriedStrata: readonly string[];
  /** When the gate held first plus its soak; null while it does not hold. */
  readonly soakUntilMs: number | null;
  readonly approvedBy: string | null;
}

const isoOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** Lines in the order in which a gate is passed: results, share, soak, approval. */
export function gateLines(gate: Gate, standing: GateStanding, nowMs: number): GateLine[] {
  const { state, sums, soakUntilMs } = standing;
  const begun = state !== 'pending';
  const passed = state === 'passed';
  const more = sums.unresolved + sums.suspect > 0;
  const lines: GateLine[] = [
    line('known', begun, {
      state: sums.known >= gate.minKnown ? 'met' : more ? 'counting' : 'cannot-judge',
      have: sums.known,
      need: gate.minKnown,
      missing: Math.max(0, gate.minKnown - sums.known),
    }),
  ];
  if (gate.strata !== undefined) {
    const names = standing.untriedStrata;
    lines.push(
      line('strata', begun, {
        state: names.length === 0 ? 'met' : more ? 'counting' : 'cannot-judge',
        have: null,
        need: 0,
        missing: names.length,
        names: [...names],
      }),
    );
  }
  lines.push(shareLine(gate, standing, begun));
  const soaked = passed || (soakUntilMs !== null && nowMs >= soakUntilMs);
  if (gate.soakMs > 0) {
    const left = soakUntilMs === null ? gate.soakMs : Math.max(0, soakUntilMs - nowMs);
    lines.push(
      line('soak', passed || soakUntilMs !== null, {
        state: soaked ? 'met' : 'counting',
        have: soaked ? gate.soakMs : gate.soakMs - left,
        need: gate.soakMs,
        missing: soaked ? 0 : left,
        until: soaked ? null : isoOf(soakUntilMs),
      }),
    );
  }
  if (gate.approval) {
    const by = standing.approvedBy;
    const asked = by !== null || passed || soakUntilMs !== null;
    lines.push(
      line('approval', asked, {
        state: by === null ? 'counting' : 'met',
        have: by === null ? 0 : 1,
        need: 1,
        missing: by === null ? 1 : 0,
        names: by === null ? [] : [by],
      }),
    );
  }
  return lines;
}

/** Met when it holds with every unresolved device counted bad; broken when it cannot hold with all of them good. */
function shareLine(gate: Gate, { sums, forgiven }: GateStanding, begun: boolean): GateLine {
  const bad = Math.max(0, sums.failed + sums.reverted + sums.suspect - forgiven);
  const tried = Math.max(bad, sums.known + sums.suspect - forgiven);
  const all = tried + sums.unresolved;
  const certain = sums.unfinished === 0 ? bad : Math.max(0, bad - sums.suspect);
  const broken = all > 0 && certain / all > gate.maxFailureShare;
  const met = all > 0 && (bad + sums.unresolved) / all <= gate.maxFailureShare;
  const state = broken ? 'broken' : met ? 'met' : all === 0 ? 'cannot-judge' : 'counting';
  // The fewest of the unresolved that have to come out well.
  const allowed = Math.max(0, Math.floor(gate.maxFailureShare * all + 1e-9) - bad);
  return line('share', begun, {
    state,
    have: tried === 0 ? null : bad / tried,
    need: gate.maxFailureShare,
    missing: met ? 0 : broken ? null : Math.max(0, sums.unresolved - allowed),
  });
}

function line(
  rule: GateLine['rule'],
  begun: boolean,
  of: Pick<GateLine, 'state' | 'have' | 'need' | 'missing'> & Partial<GateLine>,
): GateLine {
  return { rule, until: null, names: [], ...of, state: begun || of.state === 'met' ? of.state : 'not-begun' };
}
