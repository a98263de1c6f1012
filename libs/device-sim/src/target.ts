/**
 * What a simulated device offers to the links that reach it: in memory, over a pseudo-terminal, or
 * through the simulated Bluetooth controller. Targets know nothing of the link's implementation.
 */

import type { LineSettings } from '@drydock/dfu-core';

/** Time as targets and simulated links see it: virtual in tests, real when paced. Milliseconds. */
export interface Scheduler {
  now(): number;
  /** Runs `fn` once after the delay; same-time callbacks run in order of scheduling. */
  after(delayMs: number, fn: () => void): Cancel;
}
export type Cancel = () => void;

export interface Advertisement {
  /** `aa:bb:cc:dd:ee:ff`, lower case. */
  readonly address: string;
  readonly addressType: 'public' | 'random';
  readonly name?: string;
  /** Advertised service UUIDs, spelled as in dfu-core `Channel`. */
  readonly services: readonly string[];
  readonly intervalMs: number;
  /** LE Bluetooth Device Address (AD type 0x1b): the unit's own address, whatever address it sends from. */
  readonly deviceAddress?: { readonly address: string; readonly addressType: 'public' | 'random' };
}

export interface GattCharacteristic {
  readonly uuid: string;
  readonly properties: readonly ('read' | 'write' | 'write-without-response' | 'notify' | 'indicate')[];
}
export interface GattService {
  readonly uuid: string;
  readonly characteristics: readonly GattCharacteristic[];
}

/** ATT error code (Bluetooth Core, Vol 3 Part F, 3.4.1.1), e.g. 0x05 insufficient authentication. */
export interface AttRefusal {
  readonly attError: number;
}

/** The peripheral's end of one connection. */
export interface PeripheralConnection {
  /** ATT_MTU in force (23 until exchanged). */
  mtu(): number;
  /** Queues a notification or indication; false when the peripheral's queue is full. Truncates nothing: throws if longer than mtu - 3. */
  notify(characteristic: string, value: Uint8Array): boolean;
  /** How far the link is secured just now; absent where the link knows no security. */
  security?(): LinkSecurity;
  /** `graceful`: link-layer terminate; `silent`: the link just dies, the host sees a supervision timeout. */
  disconnect(how: 'graceful' | 'silent'): void;
}

export interface LinkSecurity {
  readonly encrypted: boolean;
  /** The key is one that both sides keep. */
  readonly bonded: boolean;
  /** It was made with a passkey or a comparison. */
  readonly authenticated: boolean;
}

/** What a peripheral keeps of a bond. The key lies as it goes over the air (least significant byte first). */
export interface PeripheralBond {
  readonly ltk: Uint8Array;
  readonly ediv: number;
  /** 8 bytes. */
  readonly rand: Uint8Array;
  /** Made with a passkey or a comparison. */
  readonly authenticated?: boolean;
  readonly secureConnections?: boolean;
}

/** What a device can show and take in (Bluetooth Core 5.2, Vol 3 Part H, 3.5.1). */
export type IoTrait = 'display-only' | 'display-yes-no' | 'keyboard-only' | 'none' | 'keyboard-display';

export interface PairingTraits {
  /** `only`: legacy pairing is refused. Default `no`. */
  readonly secureConnections?: 'no' | 'yes' | 'only';
  /** Default `none`. */
  readonly io?: IoTrait;
  /** Pairs with nobody who could have somebody in between. Default false. */
  readonly mitm?: boolean;
  /** The number on its label, or typed in at it: 0 to 999 999. Default: one that nobody knows. */
  readonly passkey?: () => number;
  /** What its user answers to the six digits that it shows. Default: yes. */
  readonly confirms?: (digits: number) => boolean;
  /** It changes its address: the key of its addresses (16 bytes, most significant first), and the one that stays. */
  readonly identity?: { readonly irk: Uint8Array; readonly address: string; readonly addressType: 'public' | 'random' };
  /** Largest key it takes. Default 16. */
  readonly maxKeyBytes?: number;
  /** Misbehaviour: what leaves instead of each message of its security manager. */
  readonly tamper?: (message: Uint8Array) => readonly Uint8Array[];
}

/** The peripheral's security manager, as far as its firmware decides. */
export interface PeripheralPairing {
  /** Whether a pairing request is taken now; a bonded bootloader takes none. */
  accepts: () => boolean;
  /** By address of the central, lower case. Outlives connections and resets. */
  readonly bonds: Map<string, PeripheralBond>;
  /** Default: legacy pairing by Just Works. */
  traits?: PairingTraits | undefined;
}

/** A Bluetooth LE peripheral. One connection at a time. */
export interface BlePeripheral {
  /** Undefined while it is off, mute or rebooting. Address, name and services may change over time. */
  advertisement(): Advertisement | undefined;
  /** Attribute database as of now; read at connection. */
  services(): readonly GattService[];
  /** Largest ATT_MTU it agrees to, and largest link-layer payload (27..251). */
  readonly maxMtu: number;
  readonly maxLinkPayloadBytes: number;
  /** Absent: it refuses to pair. */
  readonly pairing?: PeripheralPairing;
  onConnect(connection: PeripheralConnection): void;
  onDisconnect(): void;
  onSubscribe(characteristic: string, mode: 'notify' | 'indicate' | 'none'): AttRefusal | undefined;
  /** The response (for writes with one) leaves at once, or after `delayMs`. */
  onWrite(
    characteristic: string,
    value: Uint8Array,
    withResponse: boolean,
  ): AttRefusal | { readonly delayMs?: number } | undefined;
  onRead(characteristic: string): Uint8Array | AttRefusal;
}

/** A device on a UART (or a UDP port: one call per datagram). */
export interface SerialPeripheral {
  /** Called once per opening with the way back to the host. */
  attach(send: (bytes: Uint8Array) => void): void;
  onBytes(bytes: Uint8Array): void;
  /** Baud rate the device listens at now; a paced link uses it. */
  readonly baud: number;
  /** All settings of its end, where parity matters: a link that can tell delivers noise when the host's differ. */
  readonly line?: LineSettings;
}

/** Flash as an outside observer sees it; tests compare it with the artifact. */
export interface FlashView {
  /** Bytes of a named slot or region, as they are now. */
  region(name: string): Uint8Array;
  /** What the unit boots: SHA-256 (hex) of the running application's image bytes; undefined without one. */
  runningImageSha256(): string | undefined;
}

/** Independent log of what was done to the unit, in true (scheduler) time. */
export interface TouchEntry {
  readonly atMs: number;
  /** `touched`: first write that changes the device in an update; others for stories. */
  readonly what: 'touched' | 'erased' | 'written' | 'activated' | 'booted' | 'power-cut' | 'confirmed' | 'reverted';
  readonly detail?: string;
}

/** One simulated unit. */
export interface SimulatedDevice {
  readonly kind: string;
  /** Stable hardware identity, as the unit itself would state it. */
  readonly hardwareId: string;
  readonly flash: FlashView;
  readonly touches: readonly TouchEntry[];
  readonly ble?: BlePeripheral;
  readonly serial?: SerialPeripheral;
  /** Power goes for `offMs`; RAM is lost, a flash write under way is torn; then it boots. */
  powerCut(offMs: number): void;
}

/**
 * Misbehaviour as one record. Counts are 1-based and count from power-on of the simulated unit.
 * A target ignores what its protocol cannot do.
 */
export interface FaultPlan {
  /** Drop / corrupt the nth frame (BLE write or notification, console line, ...) towards the device or the host. */
  readonly dropToDevice?: readonly number[];
  readonly dropToHost?: readonly number[];
  readonly corruptToDevice?: readonly number[];
  readonly corruptToHost?: readonly number[];
  /** Probability of loss or corruption per frame, with the seed of its random sequence. */
  readonly lossRate?: number;
  readonly corruptRate?: number;
  readonly seed?: number;
  /** Say nothing for `stallMs` after the nth frame. */
  readonly stallAtFrame?: number;
  readonly stallMs?: number;
  /** Reboot, lose power or drop the link when this many image bytes have been taken (each once). */
  readonly rebootAtByte?: number;
  readonly powerCutAtByte?: number;
  readonly disconnectAtByte?: readonly number[];
  /** Refuse the named request (vendor's word, e.g. `init`, `upload`) with this code. */
  readonly refuse?: { readonly request: string; readonly code: number };
  /** After activation: never come back / come back with the old image / run the new one and revert after confirm. */
  readonly muteAfterActivation?: boolean;
  readonly keepOldImage?: boolean;
  readonly revertAfterConfirm?: boolean;
  /** Multiplies erase and write times. */
  readonly slowFlash?: number;
  /** Upper bound for the MTU. */
  readonly maxMtu?: number;
  /** Time away after a reset. */
  readonly rebootMs?: number;
}
