/** Begins noble's work on its adapter. */
import { LinkError } from '@drydock/dfu-core';
import type { NobleInstance } from './noble-instance.js';

const POWER_ON_WITHIN_MS = 5000;

/** @throws LinkError `link.ble-unavailable` when the adapter does not come up, or is none that noble can use. */
export async function powerOn({ noble, bindings }: NobleInstance): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new LinkError('link.ble-unavailable', { detail: 'the adapter does not power on' })),
      POWER_ON_WITHIN_MS,
    );
    noble.on('stateChange', (state: string) => {
      if (state !== 'poweredOn' && state !== 'unsupported' && state !== 'unauthorized') return;
      clearTimeout(timer);
      if (state === 'poweredOn') resolve();
      else reject(new LinkError('link.ble-unavailable', { detail: `the adapter is ${state}` }));
    });
    bindings.init();
  });
}
