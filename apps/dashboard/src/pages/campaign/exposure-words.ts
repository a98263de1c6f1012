/** The pause with a number (P2), in words; the same in the dialog, on the button and after the press. */
import type { CampaignState, PauseAnswer } from '@drydock/contracts';
import { count, counted } from '../../format/numbers.js';
import { clock, duration } from '../../format/times.js';

/** The end of a promise, never said too early: the second that it falls into is over. */
export function endClock(atMs: number): string {
  return clock(Math.ceil(atMs / 1000) * 1000, { seconds: true });
}

/** For the button: "at most 64 more". */
export function shortExposure(exposure: PauseAnswer | null): string {
  if (exposure === null) return '';
  return exposure.mayStillStart === 0 ? 'nothing may start now' : `at most ${count(exposure.mayStillStart)} more`;
}

/** Before a press, while the engine goes on granting: the numbers above it are those of a moment ago. */
export function untilThePress(state: CampaignState): string[] {
  if (state !== 'running') return [];
  return ['That is as of this moment: more may be granted until you press. The answer is the number that holds.'];
}

/** "At most 64 more devices may start, none after 14:32:10 (in 6 min). 118 in flight will finish." */
export function exposureSentences(exposure: PauseAnswer | null, inFlightLimit: number, nowMs: number): string[] {
  if (exposure === null) return [`Not known right now; at most ${count(inFlightLimit)}, the limit in flight.`];
  const { mayStillStart, noneAfter, running, doneBy, rescue, byReach } = exposure;
  const sentences: string[] = [];
  if (mayStillStart === 0) {
    sentences.push(
      running === 0
        ? 'Nothing can start any more, and nothing is in flight.'
        : `Nothing can start any more. ${count(running)} still ${running === 1 ? 'finishes' : 'finish'}, the last by ${endClock(doneBy)}.`,
    );
  } else {
    const left = noneAfter > nowMs ? ` (in ${duration(noneAfter - nowMs)})` : '';
    const devices = mayStillStart === 1 ? 'device' : 'devices';
    sentences.push(
      `At most ${count(mayStillStart)} more ${devices} may start, none after ${endClock(noneAfter)}${left}. ` +
        `${count(running)} in flight will finish.`,
    );
  }
  const away = byReach.absent;
  if (away.mayStillStart > 0) {
    sentences.push(
      `${count(away.mayStillStart)} of the ${count(mayStillStart)} ${away.mayStillStart === 1 ? 'is' : 'are'} on ` +
        `${counted(away.gateways, 'gateway')} that ${away.gateways === 1 ? 'is' : 'are'} away; ` +
        `${away.mayStillStart === 1 ? 'it stops' : 'they stop'} by ${away.mayStillStart === 1 ? 'itself' : 'themselves'} at that time.`,
    );
  }
  if (rescue > 0)
    sentences.push(
      `${counted(rescue, 'device')} without an application ${rescue === 1 ? 'is' : 'are'} rescued meanwhile.`,
    );
  return sentences;
}
