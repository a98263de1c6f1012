/** The drawn world of one run: how long gateways and devices are there, how sessions end. */
import type { Policy } from '@drydock/contracts';
import {
  advanceOnOff,
  COLD_START,
  drawOnOff,
  drawParameters,
  simulateSession,
  type OnOffState,
  type Random,
  type RunParameters,
  type SessionResult,
} from '../forecast/index.js';
import type { Unit } from './fleet-state.js';
import type { RehearsalInput } from './rehearsal-world.js';

export class DrawnWorld {
  private readonly parameters: RunParameters;

  /** @param failureRate the firmware fails on this share of the devices, for good; null: as history says. */
  constructor(
    private readonly input: RehearsalInput,
    private readonly policy: Policy,
    private readonly failureRate: number | null,
    private readonly random: Random,
  ) {
    this.parameters = drawParameters(input.history, random);
  }

  /** A gateway as the fleet has it now: how long it stays so is drawn. */
  gatewayAtStart(gateway: number): OnOffState {
    const { id, online } = this.input.fleet.gateways[gateway]!;
    return this.stateFrom(online, this.parameters.gatewayOnShare(id));
  }

  gatewayLater(gateway: number, state: OnOffState, nowMs: number): OnOffState {
    const share = this.parameters.gatewayOnShare(this.input.fleet.gateways[gateway]!.id);
    return advanceOnOff(this.onOffRule(share), state, nowMs, this.random);
  }

  /** @param before undefined: nothing is known of the device yet. */
  linkOf(device: number, before: OnOffState | undefined, nowMs: number): OnOffState {
    const rule = this.onOffRule(this.parameters.deviceOnShare(String(device)));
    return before ? advanceOnOff(rule, before, nowMs, this.random) : drawOnOff(rule, nowMs, this.random);
  }

  private stateFrom(on: boolean, onShare: number): OnOffState {
    const { startMs } = this.input;
    const { random } = this;
    const drawn = drawOnOff({ ...this.onOffRule(onShare), onShare: on ? 1 - 1e-6 : 1e-6 }, startMs, random);
    const meanMs = on ? COLD_START.meanOnMs : (COLD_START.meanOnMs * (1 - onShare)) / onShare;
    return { on, untilMs: drawn.on === on ? startMs - meanMs * Math.log(1 - random()) : startMs };
  }

  private onOffRule(onShare: number) {
    return { onShare, meanOnMs: COLD_START.meanOnMs, seenOnMs: [], seenOffMs: [] };
  }

  session(unit: Unit, gatewayId: string, active: number): SessionResult {
    const { artifactBytes, model, gatewayBytesPerSecond } = this.input;
    const { timeouts } = this.policy;
    const { failureRate, random } = this;
    let { parameters } = this;
    if (failureRate !== null) {
      unit.fated ??= random() < failureRate;
      const { transport } = this.parameters.failure(model, unit.attempt);
      const firmware = unit.fated ? 1 : 0;
      parameters = { ...parameters, failure: () => ({ transport, firmware }) };
    }
    const result = simulateSession(
      {
        bytes: artifactBytes,
        model,
        gatewayId,
        attempt: unit.attempt,
        gatewayBytesPerSecond,
        active,
        proveTimeoutMs: timeouts.proveMs,
      },
      parameters,
      random,
    );
    const transferMs = Math.max(0, result.durationMs - result.fixedMs);
    if (transferMs <= timeouts.transferMs) return result;
    // The agent gives up a transfer that takes longer than it may.
    const share = timeouts.transferMs / transferMs;
    return {
      ...result,
      outcome: 'transport',
      durationMs: timeouts.transferMs,
      transferBytes: result.transferBytes * share,
    };
  }
}
