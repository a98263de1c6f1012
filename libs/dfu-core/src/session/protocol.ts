/**
 * What every protocol offers: identify, fit, update, prove, rescue.
 */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { ByteSource } from '../bytes/byte-source.js';
import type { ArtifactDescription } from '../image/description.js';
import type { Channel, Identity, LineSettings, LinkInfo, LinkKind, Session } from './session.js';

/** What runs on a unit, as far as it could be read. */
export interface RunningImage {
  /** Which image of a multi-image unit; 0 for units with one. */
  readonly image: number;
  /** Vendor's version string, as read. */
  readonly version?: string;
  /** Image hash (lower-case hex) as the device states it: MCUboot image hash. */
  readonly hash?: string;
  /** False while a trial boot is not confirmed; absent where the protocol has no trial. */
  readonly confirmed?: boolean;
}

/** What *identify* learned. Nothing is changed on the target by it. */
export interface Identification {
  readonly protocol: string;
  /** Application or bootloader: who answered. */
  readonly mode: 'application' | 'bootloader';
  readonly identity: Identity;
  /** Hardware facts to match with the artifact: `{ hwVersion: 52, part: 0x52840 }` ... flat. */
  readonly hardware: Readonly<Record<string, string | number>>;
  /** What the *application* says runs. Empty where it cannot be read. */
  readonly running: readonly RunningImage[];
  /** What a bootloader says is installed: never proof, shown to people. */
  readonly installed?: readonly RunningImage[];
  readonly model?: string;
}

export type FitResult =
  { readonly fits: true } | { readonly fits: false; readonly code: ErrorCode; readonly params: ErrorParams };

/** What the driver hands to a session beside the open link. */
export interface UpdateRequest {
  readonly artifact: ArtifactDescription;
  /** The unit's identity as known from before; the session refuses another unit. */
  readonly expectIdentity?: Identity;
  readonly allowDowngrade: boolean;
  /** As in `FitOptions`. */
  readonly allowDebug?: boolean;
  /** Where a protocol has a trial boot: confirm after the application was seen running (default), or at once. */
  readonly confirm: 'after-proof' | 'at-once';
  /** A version string proves only when the caller knows that no other artifact of the model carries it. */
  readonly versionProves: boolean;
  /** What the running application calls itself when this artifact runs, where the file cannot tell. */
  readonly expectVersion?: string;
  /** How long the target may stay away after activation. */
  readonly returnWithinMs: number;
  /** Prefer speed defaults; a host may lower these for a weak link. */
  readonly tuning?: { readonly maxWriteBytes?: number; readonly window?: number };
  /** Console or raw SMP framing and the like, from the link's spelling. */
  readonly linkOptions?: Readonly<Record<string, string>>;
}

export type UpdateOutcome = (
  | { readonly outcome: 'proven' }
  /** The running image could not be told apart; `code` and `params` are the reason in words of contracts. */
  | { readonly outcome: 'unproven'; readonly reason: UnprovenReason }
  | { readonly outcome: 'skipped'; readonly reason: 'already-running' }
  | { readonly outcome: 'failed'; readonly code: ErrorCode; readonly params: ErrorParams }
  | { readonly outcome: 'reverted' }
  | { readonly outcome: 'cancelled' }
) & {
  /** Identification before anything was touched, where it got that far. */
  readonly before?: Identification;
  /** What answered after activation. */
  readonly after?: Identification;
  /** Image bytes the target took in this run. */
  readonly sentBytes: number;
  /** The target was left without a running application: it needs a rescue. */
  readonly needsRescue: boolean;
};

/** Why a result is not proof. */
export type UnprovenReason =
  | 'version-not-readable'
  | 'version-unchanged'
  | 'version-ambiguous'
  | 'image-not-readable'
  | 'identity-not-readable'
  | 'did-not-see-it-leave';

/** Whether a sighting belongs to this protocol; pure, for scans. `services`: advertised UUIDs. */
export interface Sighting {
  readonly link: LinkKind;
  readonly address: string;
  readonly name?: string;
  readonly services: readonly string[];
  readonly rssiDbm?: number;
  /** As in `LinkInfo`. */
  readonly deviceAddress?: string;
  /** The address changes from time to time, and no bond tells whose it is: nobody is to be remembered by it. */
  readonly privateAddress?: boolean;
}

export interface FitOptions {
  readonly allowDowngrade: boolean;
  /** Debug builds, for which targets may skip checks, are refused unless allowed by name. */
  readonly allowDebug?: boolean;
}

export interface Protocol {
  /** Folder name of the protocol, the name people type. */
  readonly name: string;
  readonly links: readonly LinkKind[];
  /** Services to discover over BLE: all a session may use. */
  readonly services: readonly string[];
  /** Line settings to open a UART with, unless the person names others. */
  readonly line?: LineSettings;
  /** Artifact formats it takes. */
  readonly formats: readonly string[];
  recognise(sighting: Sighting): 'application' | 'bootloader' | undefined;
  /** Changes nothing on the target. Throws `DrydockError` when the unit does not answer as expected. */
  identify(link: LinkInfo, options: Readonly<Record<string, string>>): Session<Identification>;
  /** More that a person may want to see of a unit, a line each: what lies in its slots. Changes nothing on the target. */
  details?(link: LinkInfo, options: Readonly<Record<string, string>>): Session<readonly string[]>;
  fit(found: Identification, artifact: ArtifactDescription, options: FitOptions): FitResult;
  /**
   * The pieces of an artifact that a session may `read`, by the `source` it names: `image:N`, and for Nordic `init:N`,
   * with N = `ImageDescription.image`. Throws `ArtifactError` when the file cannot be used.
   */
  payloads(file: Uint8Array): ReadonlyMap<string, Uint8Array>;
  /**
   * The same for files that are read by ranges, so that a large one is never held as a whole; for protocols that can.
   * Throws as `payloads`.
   */
  sources?(file: ByteSource): ReadonlyMap<string, ByteSource>;
  /** From the application (or the bootloader, if the unit is in it) to the proof. Never throws: ends in an outcome. */
  update(link: LinkInfo, request: UpdateRequest): Session<UpdateOutcome>;
  /** Reads what runs and judges it; for a unit that was updated before (agent restarted, late proof). */
  prove(link: LinkInfo, request: UpdateRequest, before: Identification | undefined): Session<UpdateOutcome>;
  /** Finishes a unit that is found in its bootloader or without application. */
  rescue(link: LinkInfo, request: UpdateRequest): Session<UpdateOutcome>;
  /** Where the vendor's own tool can update the unit through the port, with the driver out of the way. */
  readonly rawPort?: RawPortAccess;
  /**
   * Whether the first thing that an update tells a unit found like this is to leave its application, and it then stays
   * out until somebody brings it back, erased or not. Absent: no.
   * @param before as it was found; undefined where nobody looked.
   */
  leavesApplication?(before: Identification | undefined, options: Readonly<Record<string, string>>): boolean;
}

/** The way to the vendor's tool and back. Between both nobody but the tool talks to the unit. */
export interface RawPortAccess {
  /** Settings of the line that the tool begins with. */
  readonly line: LineSettings;
  /**
   * To where such a tool begins; marks `touched`, and leaves the link closed.
   * @returns what ran before, and the way back for one who knows what a tool takes away.
   * @throws DrydockError when the unit does not answer as expected.
   */
  enter(link: LinkInfo, options: Readonly<Record<string, string>>): Session<RawPortEntry>;
  /** @returns what tells, of the bytes that come meanwhile, whether they hold a word of the unit's own; noise is none. */
  listener(): (bytes: Uint8Array) => boolean;
  /** Back to the application, and what its sight proves. Never throws: ends in an outcome; is not cancelled. */
  readonly leave: RawPortLeave;
}

export type RawPortLeave = (
  link: LinkInfo,
  request: UpdateRequest,
  before: Identification | undefined,
) => Session<UpdateOutcome>;

export interface RawPortEntry {
  /** What ran before. */
  readonly found: Identification;
  /** As `RawPortAccess.leave`, and with what the tool took away put back. */
  readonly leave: RawPortLeave;
}

export type { Channel };
