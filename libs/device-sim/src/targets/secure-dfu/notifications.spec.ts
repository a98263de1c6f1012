/** A peripheral whose stack has no room for a notification just now keeps it, and those behind it. */
import { expect, it } from '@jest/globals';
import { toHex } from '@drydock/dfu-core';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import { SecureDfuUuid } from './gatt.js';
import { createSecureDfuDevice } from './secure-dfu-device.js';

it('notifications go out in the order of their requests, though the first found no room', () => {
  const scheduler = new VirtualScheduler();
  const { ble } = createSecureDfuDevice({ scheduler, model: 'sensor-a' });
  scheduler.advance(1000);
  const taken: string[] = [];
  let refusals = 2;
  const connect = (): void =>
    ble.onConnect({
      mtu: () => 23,
      notify: (_, value) => {
        if (refusals-- > 0) return false;
        taken.push(toHex(value.subarray(0, 2)));
        return true;
      },
      disconnect: () => undefined,
    });
  connect();
  ble.onSubscribe(SecureDfuUuid.controlPoint, 'notify');
  // Select the init packet; then two requests that there are none of.
  for (const request of [[0x06, 0x01], [0x98], [0x99]]) {
    ble.onWrite(SecureDfuUuid.controlPoint, Uint8Array.from(request), true);
    scheduler.advance(1);
  }
  scheduler.advance(1000);
  expect(taken).toEqual(['6006', '6098', '6099']);
  // What was left belongs to the link that is gone.
  refusals = 1;
  ble.onWrite(SecureDfuUuid.controlPoint, Uint8Array.of(0x98), true);
  scheduler.advance(1);
  ble.onDisconnect();
  connect();
  scheduler.advance(1000);
  expect(taken).toHaveLength(3);
});
