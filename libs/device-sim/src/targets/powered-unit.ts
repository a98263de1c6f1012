/**
 * What all simulated units share: power, resets, timers that die with the running firmware, and the
 * touch log in true time.
 */
import type { Cancel, FaultPlan, Scheduler, TouchEntry } from '../target.js';
import { FaultInjector } from './fault-injector.js';
import type { FlashMemory } from './flash-memory.js';

export abstract class PoweredUnit {
  readonly faults: FaultInjector;
  readonly scheduler: Scheduler;
  abstract readonly memory: FlashMemory;
  readonly #touches: TouchEntry[] = [];
  #timers = new Set<Cancel>();
  #bootTimer: Cancel | undefined;
  #isRunning = false;

  constructor(scheduler: Scheduler, plan: FaultPlan) {
    this.scheduler = scheduler;
    this.faults = new FaultInjector(plan, scheduler);
  }

  get touches(): readonly TouchEntry[] {
    return this.#touches;
  }

  /** False while off, in reset, or starting. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  log(what: TouchEntry['what'], detail?: string): void {
    this.#touches.push({ atMs: this.scheduler.now(), what, ...(detail === undefined ? {} : { detail }) });
  }

  /** A timer of the running firmware: a reset forgets it. */
  after(delayMs: number, fn: () => void): Cancel {
    const stop = this.scheduler.after(delayMs, () => {
      this.#timers.delete(cancel);
      fn();
    });
    const cancel = (): void => {
      this.#timers.delete(cancel);
      stop();
    };
    this.#timers.add(cancel);
    return cancel;
  }

  powerCut(offMs: number): void {
    this.log('power-cut', `${offMs} ms`);
    this.goDown(offMs, true);
  }

  /** Leaves the running firmware now, and boots after `awayMs`. */
  goDown(awayMs: number, powerLost = false): void {
    for (const cancel of [...this.#timers]) cancel();
    this.#timers.clear();
    this.#bootTimer?.();
    this.#isRunning = false;
    this.memory.interrupt();
    this.onDown(powerLost);
    this.#bootTimer = this.scheduler.after(awayMs, () => {
      this.#bootTimer = undefined;
      this.boot();
    });
  }

  /** Called by `boot` when the firmware runs. */
  protected setRunning(): void {
    this.#isRunning = true;
  }

  /** Links die here. RAM is lost on any reset; retained registers only when power went. */
  protected abstract onDown(powerLost: boolean): void;
  /** The first instruction after reset. May take its own time before `setRunning`. */
  protected abstract boot(): void;
}
