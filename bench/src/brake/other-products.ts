/**
 * How two products release devices and stop, by their own documentation and source.
 *
 * hawkBit (ThresholdRolloutGroupErrorCondition, rollout groups): a whole group is released at once; the next one
 * when the success threshold of the group is reached; paused when errors / size of the group pass the error
 * threshold. A pause lets the running group finish. There is no timeout for a device that never answers.
 *
 * AWS IoT Jobs (AbortCriteria, exponential rollout rate as in the developer guide's example: 50 a minute, doubled
 * for every 1000 notified, at most 1000 a minute, which is also the default without a rate): cancelled once the
 * minimum number has finished and failed / finished reaches the threshold. Its documents leave the denominator open;
 * this is the reading that stops soonest. A device that never answers counts only with an optional timeout.
 */
import { countFailed, fails, type Fleet, type Outcome, type World } from './fleet.js';

/** Share of a hawkBit group that must have succeeded before the next one is released. */
const SUCCESS_THRESHOLD = 0.9;

export function runHawkbit(fleet: Fleet, world: World, limit: number, groupSize: number): Outcome {
  let [released, openedAt, last] = [0, 0, 0];
  let halted = false;
  while (released < fleet.length && !halted) {
    const group = fleet.slice(released, released + groupSize);
    released += group.length;
    const results = group
      .filter((device) => !(world.mute && fails(device, world)))
      .map((device) => ({ at: openedAt + device.minutes, failed: fails(device, world) }))
      .sort((a, b) => a.at - b.at);
    let [errors, successes] = [0, 0];
    let nextAt: number | undefined;
    for (const result of results) {
      last = Math.max(last, result.at);
      if (result.failed) errors += 1;
      else successes += 1;
      // Errors that come after the next group has opened still pause the rollout; then that group is out already.
      if (errors / group.length > limit) {
        halted = true;
        if (nextAt !== undefined && released < fleet.length) released += Math.min(groupSize, fleet.length - released);
        break;
      }
      if (successes >= SUCCESS_THRESHOLD * group.length) nextAt ??= result.at;
    }
    // Nobody opens the next group: it stands, released as it is.
    if (nextAt === undefined) break;
    openedAt = nextAt;
  }
  return { halted, started: released, failed: countFailed(fleet, indices(released), world), minutes: last };
}

const AWS_BASE_PER_MINUTE = 50;
const AWS_FACTOR = 2;
const AWS_NOTIFIED_PER_STEP = 1_000;
const AWS_MOST_PER_MINUTE = 1_000;

export function runAws(fleet: Fleet, world: World, limit: number, minimum: number): Outcome {
  const startAt: number[] = [];
  let clock = 0;
  for (let index = 0; index < fleet.length; index++) {
    startAt.push(clock);
    const rate = AWS_BASE_PER_MINUTE * AWS_FACTOR ** Math.floor(index / AWS_NOTIFIED_PER_STEP);
    clock += 1 / Math.min(AWS_MOST_PER_MINUTE, rate);
  }
  const results = fleet
    .map((device, index) => ({ at: startAt[index]! + device.minutes, failed: fails(device, world) }))
    .filter((result) => !(world.mute && result.failed))
    .sort((a, b) => a.at - b.at);
  let [finished, failed] = [0, 0];
  for (const result of results) {
    finished += 1;
    if (result.failed) failed += 1;
    if (finished >= minimum && failed / finished >= limit) {
      const started = startAt.filter((at) => at <= result.at).length;
      return { halted: true, started, failed: countFailed(fleet, indices(started), world), minutes: result.at };
    }
  }
  const minutes = results.at(-1)?.at ?? clock;
  return { halted: false, started: fleet.length, failed: countFailed(fleet, indices(fleet.length), world), minutes };
}

function* indices(count: number): Generator<number> {
  for (let index = 0; index < count; index++) yield index;
}
