/** Bytes that are not the artifact's change nothing on a unit, whatever has to be cleared away or entered first (P6). */
import { describe, expect, it } from '@jest/globals';
import { smp } from '@drydock/dfu-core';
import { bench, fileHash, NEW, OLD, OTHER } from './conversation.fixture.js';

const damaged = (): Map<string, Uint8Array> => {
  const [[name, bytes] = ['', new Uint8Array()]] = smp.payloads(NEW);
  return new Map([[name, bytes.map((byte, at) => (at === 25_000 ? byte ^ 1 : byte))]]);
};

describe('a payload that is not the one described', () => {
  it('leaves a foreign pending image where it is', () => {
    const { device, update } = bench();
    update(OTHER, {}, { onMark: (step) => (step === 'activating' ? 'cancel' : 'go') });
    device.unit.slots.setPending(true, () => undefined);
    const result = update(NEW, {}, { payloads: damaged() });
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'artifact.digest', needsRescue: false });
    expect(result.marks).toEqual([]);
    expect(device.unit.slots.flags('slot1')).toMatchObject({ pending: true });
  });

  it('restarts no unit into serial recovery', () => {
    const { device, update } = bench({ hasImageGroup: false });
    const result = update(NEW, {}, { payloads: damaged() });
    expect(result.outcome).toMatchObject({ outcome: 'failed', code: 'artifact.digest', needsRescue: false });
    expect(result.marks).toEqual([]);
    expect(device.flash.runningImageSha256()).toBe(fileHash(OLD));
  });
});
