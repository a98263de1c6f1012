/** Lines of a gate in words. What each line's state is, the server says. */
import type { GateLine } from '@drydock/contracts';
import { count, counted, limit, percent } from '../../format/numbers.js';
import { duration, when } from '../../format/times.js';

export const GATE_MARKS: Readonly<Record<GateLine['state'], string>> = {
  met: '✓',
  broken: '✕',
  counting: '◔',
  'not-begun': '○',
  'cannot-judge': '?',
};

export function gateSentence(line: GateLine, nowMs: number): string {
  const words = WORDS[line.rule](line, nowMs);
  return line.state === 'cannot-judge' ? `${words}: cannot be judged, the gate stays shut` : words;
}

const WORDS: Readonly<Record<GateLine['rule'], (line: GateLine, nowMs: number) => string>> = {
  known: ({ have, need }) => `${count(have)} finished of ${count(need)} needed`,
  share: ({ have, need, state }) =>
    have === null
      ? `share at most ${limit(need)}, nothing known yet`
      : `share ${percent(have)} ${state === 'broken' ? '>' : '≤'} ${limit(need)}`,
  strata: ({ names, state }) =>
    state === 'met'
      ? 'every version was tried'
      : names.length === 0
        ? 'every version is tried'
        : `not tried yet: ${names.slice(0, 4).join(', ')}`,
  soak: ({ need, state, until }, nowMs) =>
    state === 'met'
      ? `soaked ${duration(need)}`
      : state === 'not-begun' || until === null
        ? `soak ${duration(need)}, not begun`
        : `soaks until ${when(until, nowMs)}`,
  approval: ({ names, need, state }) =>
    state === 'met'
      ? `approved by ${names.join(', ')}`
      : `${counted(need, 'approval')}, ${state === 'counting' ? 'awaited' : 'after the soak'}`,
};
