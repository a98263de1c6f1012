/** Everything that can be set on a simulated BC127. */
import type { FaultPlan, Scheduler } from '../../target.js';
import type { FlashTiming } from '../flash-memory.js';

export interface CsrBc127Options {
  readonly scheduler: Scheduler;
  readonly serialNumber?: string;
  /** Twelve hex digits. Default derived from the serial number. */
  readonly address?: string;
  /** Body of a `.dfu` file (without its suffix) that runs when it leaves the factory; none: only its loader runs. */
  readonly application?: Uint8Array;
  /** Default `standard`. */
  readonly variant?: 'hd' | 'standard';
  /** How answers end: `\n\r` (version 5) or `\r`. Default `cr`. */
  readonly lineEnding?: 'lfcr' | 'cr';
  /** Version 5 gives no numbers with ERROR and no build. Default false. */
  readonly isMelody5?: boolean;
  /** Settings beside the factory's, as a person changed them. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly licences?: Readonly<Record<string, string>>;
  /** An update clears settings and licences. Default true. */
  readonly losesSettings?: boolean;
  /** Settings that the new firmware refuses to take. */
  readonly refusesSettings?: readonly string[];
  /** Notifications come in between answers. Default false. */
  readonly chatty?: boolean;
  /** Sleeps deeply: the first CR only wakes it. Default false. */
  readonly sleeps?: boolean;
  /** From `DFU` to BCSP. Default 300. */
  readonly dfuBootMs?: number;
  /** Between two SYNC. Default 1000. */
  readonly syncMs?: number;
  /** Default true. */
  readonly crc?: boolean;
  /** Reliable packets under way. Default 4. */
  readonly window?: number;
  /** Default 1 MiB. */
  readonly flashBytes?: number;
  /** Default: pages of 4096 bytes, 6 ms to erase, 10 µs a word. */
  readonly flash?: Partial<FlashTiming>;
  /** From reset to the command line. Default 100; `faults.rebootMs` overrides. */
  readonly rebootMs?: number;
  /** Start-up after an update. Default 2000. */
  readonly firstStartMs?: number;
  readonly faults?: FaultPlan;
}
