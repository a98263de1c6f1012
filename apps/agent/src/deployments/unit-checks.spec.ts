import { describe, expect, it } from '@jest/globals';
import type { Identification } from '@drydock/dfu-core';
import type { Site } from '../site/site-file.js';
import { checkModel } from './unit-checks.js';

const LINK = 'serial:/dev/ttyS1?baud=115200';
const grant = { model: 'pump', links: [LINK] };
const siteOf = (model?: string): Site =>
  ({ devices: [{ link: 'serial:/dev/ttyS1', ...(model !== undefined && { model }) }] }) as unknown as Site;
const says = (model?: string): Identification => ({
  protocol: 'smp',
  mode: 'application',
  identity: { kind: 'port-path', value: '/dev/ttyS1' },
  hardware: {},
  running: [],
  ...(model !== undefined && { model }),
});

describe('the model of a grant (P7)', () => {
  it.each([
    ['nobody knows better', undefined, undefined],
    ['both agree', 'pump', 'pump'],
  ])('is taken where %s', (_, unit, site) => {
    expect(() => checkModel(says(unit), grant, siteOf(site))).not.toThrow();
  });

  it.each([
    ['the unit', 'valve', undefined],
    ['the unit, whatever the site file says,', 'valve', 'pump'],
    ['the site file', undefined, 'valve'],
    ['the site file, whatever the unit says,', 'pump', 'valve'],
  ])('is refused where %s names another', (_, unit, site) => {
    const wrong = expect.objectContaining({ code: 'artifact.wrong-model' });
    expect(() => checkModel(says(unit), grant, siteOf(site))).toThrow(wrong as unknown as Error);
  });

  it('is refused by the site file before the unit is asked anything', () => {
    const wrong = expect.objectContaining({ code: 'artifact.wrong-model' });
    expect(() => checkModel(undefined, grant, siteOf('valve'))).toThrow(wrong as unknown as Error);
  });
});

describe('the hardware that the site file expects', () => {
  const site = (hardware: Record<string, string | number>): Site =>
    ({ devices: [{ link: 'serial:/dev/ttyS1', model: 'pump', hardware }] }) as unknown as Site;
  const unit = (mode: Identification['mode'] = 'application'): Identification => ({
    ...says('pump'),
    mode,
    hardware: { board: 'rev-c', flashKib: 512 },
  });

  it.each([[{}], [{ board: 'rev-c' }], [{ flashKib: 512 }], [{ flashKib: '512' }]])('is taken: %j', (hardware) => {
    expect(() => checkModel(unit(), grant, site(hardware as Record<string, string>))).not.toThrow();
  });

  it.each([
    [{ board: 'rev-b' }, 'board is rev-c, expected rev-b'],
    [{ board: 'rev-c', radio: 'x' }, 'radio is not told, expected x'],
  ])('is refused where it differs or is not told: %j', (hardware, detail) => {
    const wrong = expect.objectContaining({ code: 'target.wrong-kind', params: { expected: 'pump', detail } });
    expect(() => checkModel(unit(), grant, site(hardware as Record<string, string>))).toThrow(
      wrong as unknown as Error,
    );
    // A bootloader tells less, and the unit in it was looked at before.
    expect(() => checkModel(unit('bootloader'), grant, site(hardware as Record<string, string>))).not.toThrow();
  });
});
