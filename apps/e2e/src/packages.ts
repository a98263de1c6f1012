/** Firmware packages made on the spot with the core's own makers, signed with keys of the test or demo. */
import { makeMcubootImage, makeNordicPackage } from '@drydock/dfu-core';
import { makeDemoFirmware } from '@drydock/device-sim';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { BOARD_MODEL, SENSOR_MODEL } from './simulated-site.js';

/** A P-256 pair in the spellings that the parts want. */
export interface ReleaseKeyPair {
  readonly publicPem: string;
  /** 32 bytes. */
  readonly privateBytes: Uint8Array;
}

export function makeReleaseKey(): ReleaseKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return releaseKeyOf(privateKey, publicKey.export({ type: 'spki', format: 'pem' }).toString());
}

export function releaseKeyOf(privateKey: KeyObject, publicPem: string): ReleaseKeyPair {
  const jwk = privateKey.export({ format: 'jwk' });
  return { publicPem, privateBytes: Uint8Array.from(Buffer.from(jwk.d ?? '', 'base64url')) };
}

/** One package and what proves it. */
export interface DemoPackage {
  readonly model: string;
  readonly version: string;
  readonly fileName: string;
  /** What is uploaded. */
  readonly file: Uint8Array;
  /** What the unit runs afterwards: firmware bytes of a sensor, the whole file of a board. */
  readonly image: Uint8Array;
}

/** @param round the demo's round: version `ROUND.0.0`. */
export function makeSensorPackage(round: number, key: ReleaseKeyPair, sizeBytes: number): DemoPackage {
  const version = `${round}.0.0`;
  const image = makeDemoFirmware({ model: SENSOR_MODEL, version, sizeBytes, seed: 100 + round });
  const file = makeNordicPackage({
    application: image,
    hwVersion: 52,
    fwVersion: round,
    sdReq: [0x0101],
    privateKey: key.privateBytes,
  });
  return { model: SENSOR_MODEL, version, fileName: `demo-sensor-${version}.zip`, file, image };
}

export function makeBoardPackage(round: number, key: ReleaseKeyPair, sizeBytes: number): DemoPackage {
  const version = `${round}.0.0`;
  const body = makeDemoFirmware({ model: BOARD_MODEL, version, sizeBytes, seed: 200 + round });
  const file = makeMcubootImage({
    body,
    version: { major: round, minor: 0, revision: 0, build: 0 },
    key: { kind: 'ecdsa-p256', secret: key.privateBytes },
  });
  return { model: BOARD_MODEL, version, fileName: `demo-board-${version}.bin`, file, image: file };
}
