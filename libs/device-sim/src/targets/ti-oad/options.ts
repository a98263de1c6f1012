/** Everything that can be set on a simulated TI OAD unit. */
import type { FaultPlan, Scheduler } from '../../target.js';
import type { FlashTiming } from '../flash-memory.js';

/**
 * `e1-...`: enhanced OAD with TI header; `e2-...`: enhanced OAD with MCUboot images; `c1`: classic on-chip with areas A and
 * B; `c2`: classic off-chip.
 */
export type TiOadVariant = 'e1-off-chip' | 'e1-on-chip' | 'e2-off-chip' | 'e2-on-chip' | 'c1' | 'c2';

export interface TiOadOptions {
  readonly scheduler: Scheduler;
  readonly variant: TiOadVariant;
  /** `aa:bb:cc:dd:ee:ff`. Default made from `serialNumber`. */
  readonly address?: string;
  readonly addressType?: 'public' | 'random';
  /** Hardware identity, read from its Device Information Service. Default `SIM-0001`. */
  readonly serialNumber?: string;
  /** Default `ti-sensor`. */
  readonly model?: string;
  /** Advertised name of the user application. Default `model`. */
  readonly name?: string;
  /** The whole file that it runs when it leaves the factory; undefined: none (on-chip: its persistent application runs). */
  readonly image?: Uint8Array;
  /** P-256 key (SPKI PEM) of the boot manager; undefined: it takes unsigned images too. */
  readonly publicKeyPem?: string;
  /** E1: the 8 characters that it compares. Default those of `image`, else `CC26x2R1`. */
  readonly imageId?: string;
  /** E1: answer to the device-type question. Default CC2652, family 4, revision 2.1. */
  readonly chip?: { readonly type: number; readonly family: number; readonly revision: number };
  /** E1: a CC2640R2, which drops identifies longer than 22 bytes. */
  readonly dropsLongIdentify?: boolean;
  /** E1: the answer to cancel gets out. Default false. */
  readonly answersCancel?: boolean;
  /** Number in the last block request. Default what the sources send: 0 (E1), the total (E2). */
  readonly finalBlockNumber?: number;
  /** E2: version of the persistent application, major. Default 9. */
  readonly persistentMajor?: number;
  /** E2 off-chip: what it expects to be sent. Default 0x76000. */
  readonly slotBytes?: number;
  /** E2: connections get handles of their own, so state of an earlier one is met from outside. Default false. */
  readonly freshHandles?: boolean;
  /** E2 off-chip: an older version is refused at boot. Default true. */
  readonly downgradePrevention?: boolean;
  /** C1: whether it answers the question for the running area. Default true. */
  readonly answersHeaderQuestion?: boolean;
  /** The persistent application can be left through the reset service too. Default false. */
  readonly persistentHasReset?: boolean;
  readonly persistentName?: string;
  /** Blocks that its queue holds; one more is "no resources". Default 8. */
  readonly queueBlocks?: number;
  /** Default 10 000. C1 and C2 have no such timer. */
  readonly inactivityMs?: number;
  readonly flash?: Partial<FlashTiming>;
  /** Checksum over the whole image, per KiB. Default 0.05. */
  readonly crcMsPerKib?: number;
  /** From reset to advertising. Default 300; `faults.rebootMs` overrides. */
  readonly rebootMs?: number;
  /** From a write to its answer. Default 0.5. */
  readonly answerMs?: number;
  /** Greatest ATT_MTU. Default 255 (E2) or 251; the fault plan may lower it. C1: 23. */
  readonly maxMtu?: number;
  readonly maxLinkPayloadBytes?: number;
  readonly advertisingIntervalMs?: number;
  /** Version string in the Device Information Service. Default: the marker of `makeDemoFirmware`. */
  readonly firmwareRevision?: (image: Uint8Array) => string | undefined;
  /** Characteristics that the application leaves out of its Device Information Service. */
  readonly without?: readonly ('model' | 'serial' | 'revision')[];
  readonly faults?: FaultPlan;
}
