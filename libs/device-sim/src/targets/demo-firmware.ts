/**
 * Images for demos and tests: raw application bytes that carry their own name.
 *
 * Layout: two words that look like an initial stack pointer and a reset vector, then at offset 64 the
 * ASCII marker `DRYDOCK-DEMO-FW model=<model> version=<version>;`, the rest is repeatable noise.
 * A simulated application finds its version string by looking for the marker in the image it runs.
 */
import { seededRandom } from '../scheduler/seeded-random.js';

export interface DemoFirmwareOptions {
  /** Letters, digits and `._-` only. */
  readonly model: string;
  /** As the application will state it, e.g. `1.4.0`. */
  readonly version: string;
  /** Rounded up to a multiple of 4. At least 256. Default 32 KiB. */
  readonly sizeBytes?: number;
  /** Images of different seeds differ in nearly every byte. Default 1. */
  readonly seed?: number;
}

const MARKER_OFFSET = 64;
const MARKER = /DRYDOCK-DEMO-FW model=([\w.-]{1,64}) version=([\w.+-]{1,64});/;

export function makeDemoFirmware(options: DemoFirmwareOptions): Uint8Array {
  const sizeBytes = Math.max(256, Math.ceil((options.sizeBytes ?? 32 * 1024) / 4) * 4);
  const text = `DRYDOCK-DEMO-FW model=${options.model} version=${options.version};`;
  if (!MARKER.test(text)) throw new RangeError(`model or version cannot be written in a marker: ${text}`);
  const image = new Uint8Array(sizeBytes);
  const random = seededRandom(options.seed ?? 1);
  for (let at = 0; at < sizeBytes; at++) image[at] = Math.floor(random() * 256);
  const view = new DataView(image.buffer);
  view.setUint32(0, 0x20010000, true);
  view.setUint32(4, 0x000002d5, true);
  for (let i = 0; i < text.length; i++) image[MARKER_OFFSET + i] = text.charCodeAt(i);
  return image;
}

export interface DemoMarker {
  readonly model: string;
  readonly version: string;
}

/** Looks in the first 4 KiB after `from`. @returns undefined for an image without marker. */
export function readDemoMarker(image: Uint8Array, from = 0): DemoMarker | undefined {
  const found = MARKER.exec(Buffer.from(image.subarray(from, from + 4096)).toString('latin1'));
  return found ? { model: found[1] ?? '', version: found[2] ?? '' } : undefined;
}
