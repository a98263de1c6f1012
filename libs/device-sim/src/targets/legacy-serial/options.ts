/** Everything that can be set on a simulated unit with Nordic's serial legacy bootloader. */
import type { FaultPlan, Scheduler } from '../../target.js';
import type { FlashTiming } from '../flash-memory.js';
import type { LegacyHardware } from '../legacy-dfu/options.js';

export interface LegacySerialOptions extends LegacyHardware {
  readonly scheduler: Scheduler;
  readonly serialNumber?: string;
  readonly model?: string;
  /** Image bytes that it runs when it leaves the factory; undefined: none, it starts in its bootloader. */
  readonly application?: Uint8Array;
  /** `adafruit` wants device type 0x0052 and listens at 115200; `nordic` (SDK 11) at 38400. Default `adafruit`. */
  readonly vendor?: 'adafruit' | 'nordic';
  readonly baud?: number;
  /** `single`: the application is erased by the start packet. Default `dual`. */
  readonly banks?: 'dual' | 'single';
  /** Starts in its bootloader although it has an application: a person held the button. Default false. */
  readonly startsInBootloader?: boolean;
  /** Opening the port again makes the application enter its bootloader, as boards with a touch do. Default false. */
  readonly entersWhenOpened?: boolean;
  /** Room of each bank. Default 128 KiB. */
  readonly bankBytes?: number;
  readonly flash?: Partial<FlashTiming>;
  /** From reset to listening. Default 100; `faults.rebootMs` overrides. */
  readonly rebootMs?: number;
  /** Packets that can be kept while flash is busy. Default 2. */
  readonly receiveBuffers?: number;
  /** Bytes that arrive while a page is erased are lost, as on a chip whose processor waits for its flash. Default false. */
  readonly deafWhileErasing?: boolean;
  readonly faults?: FaultPlan;
}
