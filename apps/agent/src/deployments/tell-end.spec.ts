import { expect, it } from '@jest/globals';
import type { UpdateOutcome } from '@drydock/dfu-core';
import type { Attempt } from './attempt.js';
import { tellEnd } from './tell-end.js';

it('tells the end by the name that people know, why it failed, and whether the device is left without application', () => {
  const link = 'ble:AA:BB:CC:DD:EE:01';
  const attempt = { key: 'dep/0/1', grant: { device: 'dev-1', links: [link] } } as unknown as Attempt;
  const site = { devices: [{ name: 'pump', model: 'demo', link, protocol: 'smp', identity: undefined }] };
  const said: [string, object][] = [];
  const log = {
    info: (facts: object) => void said.push(['info', facts]),
    warn: (facts: object) => void said.push(['warn', facts]),
  };
  const tell = (outcome: object): void =>
    tellEnd(log, attempt, { sentBytes: 0, needsRescue: false, ...outcome } as UpdateOutcome, site);
  tell({ outcome: 'proven' });
  tell({ outcome: 'failed', code: 'link.ble-unavailable', params: { detail: 'pulled' }, needsRescue: true });
  tell({ outcome: 'unproven', reason: 'cannot-be-asked' });
  const who = { attempt: 'dep/0/1', name: 'pump', device: 'dev-1', link };
  expect(said).toEqual([
    ['info', { ...who, outcome: 'proven' }],
    [
      'warn',
      {
        ...who,
        outcome: 'failed',
        code: 'link.ble-unavailable',
        detail: 'Bluetooth is not available on this machine: pulled.',
        withoutApplication: true,
      },
    ],
    ['info', { ...who, outcome: 'unproven', reason: 'cannot-be-asked' }],
  ]);
});
