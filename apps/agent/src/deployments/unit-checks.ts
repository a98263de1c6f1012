/** Is this the unit and the model that the grant means? (design, P7) */
import type { Grant } from '@drydock/contracts';
import {
  DrydockError,
  bootloaderAddress,
  describeArtifact,
  type ArtifactDescription,
  type ByteSource,
  type Identification,
  type Protocol,
} from '@drydock/dfu-core';
import { linkLane } from '../links/parse-link.js';
import type { Site } from '../site/site-file.js';

/**
 * The unit that answered must be the one whose identity the grant names.
 * A bootloader often cannot state the application's identity; then the session judges, which knows its protocol.
 * @throws DrydockError `target.wrong-identity`
 */
export function checkIdentity(found: Identification, grant: Pick<Grant, 'identity'>): void {
  const { identity: expected } = grant;
  const { identity: actual } = found;
  if (actual.kind === expected.kind && actual.value === expected.value) return;
  if (found.mode === 'bootloader') {
    if (actual.kind !== expected.kind) return;
    if (actual.kind === 'ble-address' && actual.value === bootloaderAddress(expected.value)) return;
  }
  throw new DrydockError('target.wrong-identity', {
    expected: `${expected.kind} ${expected.value}`,
    actual: `${actual.kind} ${actual.value}`,
  });
}

/**
 * @throws DrydockError `artifact.wrong-model` when the unit itself or the site file says another model, `target.wrong-kind`
 *   when the running application says another hardware than the site file expects.
 */
export function checkModel(found: Identification | undefined, grant: Pick<Grant, 'model' | 'links'>, site: Site): void {
  const lanes = new Set(grant.links.map(linkLane));
  const known = site.devices.find((device) => lanes.has(linkLane(device.link)));
  for (const model of [found?.model, known?.model]) {
    if (model !== undefined && model !== grant.model) {
      throw new DrydockError('artifact.wrong-model', { expected: model, actual: grant.model });
    }
  }
  // A bootloader often tells less: what the application said was looked at before it was left.
  const wrong = found?.mode === 'application' ? wrongHardware(found, known?.hardware) : undefined;
  if (wrong) throw new DrydockError('target.wrong-kind', { expected: known!.model, detail: wrong });
}

/** @returns which fact of the unit's hardware is another than expected; one that is not told is another, too. */
export function wrongHardware(
  found: Pick<Identification, 'hardware'>,
  expected: Readonly<Record<string, string | number>> | undefined,
): string | undefined {
  for (const [name, value] of Object.entries(expected ?? {})) {
    const actual = found.hardware[name];
    if (String(actual ?? '') !== String(value)) return `${name} is ${actual ?? 'not told'}, expected ${value}`;
  }
  return undefined;
}

/**
 * Reads the artifact again from its bytes and compares it with what the order says of it.
 * @throws ArtifactError, DrydockError `artifact.malformed`
 */
export function readArtifact(
  file: Uint8Array | ByteSource,
  grant: Pick<Grant, 'artifact'>,
  protocol: Protocol,
): ArtifactDescription {
  const description = describeArtifact(file);
  const wrong = (field: string, detail: string): never => {
    throw new DrydockError('artifact.malformed', { field, offset: 0, detail });
  };
  if (description.format !== grant.artifact.format) {
    wrong('format', `it is ${description.format}, the order says ${grant.artifact.format}`);
  }
  if (!protocol.formats.includes(description.format)) {
    wrong('format', `${protocol.name} does not deliver ${description.format}`);
  }
  return description;
}
