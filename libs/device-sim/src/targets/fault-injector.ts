/** Carries out the frame and byte parts of a fault plan; the rest is read by the targets themselves. */
import { seededRandom } from '../scheduler/seeded-random.js';
import type { FaultPlan, Scheduler } from '../target.js';

export type ByteFault = 'reboot' | 'power-cut' | 'disconnect';

export class FaultInjector {
  readonly plan: FaultPlan;
  readonly #scheduler: Scheduler;
  readonly #random: () => number;
  readonly #byteFaults: { atByte: number; what: ByteFault }[];
  #framesToDevice = 0;
  #framesToHost = 0;
  #bytes = 0;
  #silentUntilMs = 0;

  constructor(plan: FaultPlan, scheduler: Scheduler) {
    this.plan = plan;
    this.#scheduler = scheduler;
    this.#random = seededRandom(plan.seed ?? 1);
    this.#byteFaults = [
      ...(plan.rebootAtByte === undefined ? [] : [{ atByte: plan.rebootAtByte, what: 'reboot' as const }]),
      ...(plan.powerCutAtByte === undefined ? [] : [{ atByte: plan.powerCutAtByte, what: 'power-cut' as const }]),
      ...(plan.disconnectAtByte ?? []).map((atByte) => ({ atByte, what: 'disconnect' as const })),
    ].sort((a, b) => a.atByte - b.atByte);
  }

  /** A frame from the host. @returns it (maybe damaged), or undefined when it is lost. */
  toDevice(frame: Uint8Array): Uint8Array | undefined {
    this.#framesToDevice += 1;
    const { plan } = this;
    if (plan.stallAtFrame === this.#framesToDevice) {
      this.#silentUntilMs = this.#scheduler.now() + (plan.stallMs ?? 0);
    }
    return this.#through(frame, this.#framesToDevice, plan.dropToDevice, plan.corruptToDevice);
  }

  /** A frame to the host. @returns it (maybe damaged), or undefined when it is lost. */
  toHost(frame: Uint8Array): Uint8Array | undefined {
    this.#framesToHost += 1;
    return this.#through(frame, this.#framesToHost, this.plan.dropToHost, this.plan.corruptToHost);
  }

  /** How long the unit must stay silent from now on. */
  get silentForMs(): number {
    return Math.max(0, this.#silentUntilMs - this.#scheduler.now());
  }

  /** Counts image bytes taken. @returns a fault that is due now; each happens once. */
  imageBytes(count: number): ByteFault | undefined {
    this.#bytes += count;
    const due = this.#byteFaults[0];
    if (!due || this.#bytes < due.atByte) return undefined;
    this.#byteFaults.shift();
    return due.what;
  }

  /** The code with which a request of that name is to be refused. */
  refusal(request: string): number | undefined {
    return this.plan.refuse?.request === request ? this.plan.refuse.code : undefined;
  }

  #through(
    frame: Uint8Array,
    index: number,
    drop: readonly number[] | undefined,
    corrupt: readonly number[] | undefined,
  ): Uint8Array | undefined {
    const { lossRate = 0, corruptRate = 0 } = this.plan;
    const isLost = drop?.includes(index) || (lossRate > 0 && this.#random() < lossRate);
    const isDamaged = corrupt?.includes(index) || (corruptRate > 0 && this.#random() < corruptRate);
    if (isLost) return undefined;
    if (!isDamaged || frame.length === 0) return frame;
    const damaged = frame.slice();
    const at = Math.floor(this.#random() * damaged.length);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(this.#random() * 8));
    return damaged;
  }
}
