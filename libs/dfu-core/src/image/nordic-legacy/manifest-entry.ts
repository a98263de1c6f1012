/**
 * What a manifest says about an image. It is for people and for the tool that sends; the init packet is what the
 * bootloader believes. So where both speak, they must agree.
 *
 * Source: nrfutil 0.5.3, nordicsemi/dfu/manifest.py; manifests of nRF5 SDK 8 carry null for what they do not know.
 */
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import type { LegacyInitPacket } from './init-packet.js';
import type { LegacySizes } from './package.js';

const malformed = (field: string, detail: string): ArtifactError =>
  new ArtifactError('artifact.malformed', { field, offset: 0, detail });

/** @throws ArtifactError `artifact.malformed` when manifest and init packet disagree. */
export function checkManifestEntry(data: Record<string, unknown>, key: string, packet: LegacyInitPacket): void {
  const { extension } = packet;
  const pairs: readonly (readonly [string, unknown])[] = [
    ['device_type', packet.deviceType],
    ['device_revision', packet.deviceRevision],
    ['application_version', packet.applicationVersion],
    ['softdevice_req', packet.softdevices.join(',')],
    ['firmware_crc16', 'crc16' in extension ? extension.crc16 : undefined],
    ['firmware_length', 'crc16' in extension ? undefined : extension.lengthBytes],
    ['firmware_hash', 'crc16' in extension ? undefined : toHex(extension.sha256)],
  ];
  for (const [name, inPacket] of pairs) {
    const stated = data[name];
    if (stated === undefined || stated === null || inPacket === undefined) continue;
    const text = Array.isArray(stated) ? stated.join(',') : String(stated).toLowerCase();
    if (text !== String(inPacket)) {
      throw malformed(
        `manifest: ${key}.init_packet_data.${name}`,
        `it says ${text.slice(0, 80)}, the init packet ${String(inPacket)}`,
      );
    }
  }
}

/** `sd_size` and `bl_size`, which stand in the entry itself; newer tools put them into `info_read_only_metadata`. */
export function parseSizes(entry: Record<string, unknown>, totalBytes: number, binFile: string): LegacySizes {
  const metadata = entry['info_read_only_metadata'];
  const second = typeof metadata === 'object' && metadata !== null ? (metadata as Record<string, unknown>) : {};
  const size = (name: string): number => {
    const value = entry[name] ?? second[name];
    const field = `manifest: softdevice_bootloader.${name}`;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0 || value % 4 !== 0) {
      throw malformed(field, 'it must be a size in whole words: the bootloader cannot tell the parts apart without it');
    }
    return value;
  };
  const softdevice = size('sd_size');
  const bootloader = size('bl_size');
  if (softdevice + bootloader !== totalBytes) {
    throw malformed(
      'manifest: softdevice_bootloader',
      `sd_size and bl_size add up to ${softdevice + bootloader}, ${binFile} has ${totalBytes} bytes`,
    );
  }
  return { softdevice, bootloader, application: 0 };
}
