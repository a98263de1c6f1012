/** The link suite over Bluetooth: a controller in memory, behind a unix socket, TCP, and a serial port. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GenericPeripheral, GenericUuid, memoryPort, serveH4, SimulatedController } from '@drydock/device-sim';
import { describeLink, type LinkUnderTest } from '../conformance.fixture.js';
import { BleAdapter } from './ble-adapter.js';

const ADDRESS = 'c0:11:22:33:44:50';

async function over(
  attach: (controller: SimulatedController) => Promise<{ adapter: BleAdapter; detach: () => Promise<void> }>,
): Promise<LinkUnderTest> {
  const controller = new SimulatedController();
  const peripheral = new GenericPeripheral({ address: ADDRESS });
  controller.host(peripheral);
  const { adapter, detach } = await attach(controller);
  return {
    link: adapter.link(ADDRESS),
    absent: adapter.link('c0:00:00:00:00:01'),
    sendChannel: GenericUuid.commands,
    receiveChannel: GenericUuid.events,
    acknowledged: true,
    breakLink: () => peripheral.connection?.disconnect('graceful'),
    tearDown: async () => {
      await adapter.close();
      await detach();
    },
  };
}

describeLink('Bluetooth, controller in memory', () =>
  over(async (controller) => ({
    adapter: await BleAdapter.overPort('memory', memoryPort(controller)),
    detach: async () => undefined,
  })),
);

describeLink('Bluetooth, controller behind h4:unix', () =>
  over(async (controller) => {
    const folder = await mkdtemp(join(tmpdir(), 'drydock-hci-'));
    const service = await serveH4(controller, { kind: 'unix', path: join(folder, 'hci') });
    return {
      adapter: await BleAdapter.open(service.adapter),
      detach: async () => {
        await service.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  }),
);

describeLink('Bluetooth, controller behind h4:tcp', () =>
  over(async (controller) => {
    const service = await serveH4(controller, { kind: 'tcp', host: '127.0.0.1', port: 0 });
    return { adapter: await BleAdapter.open(service.adapter), detach: () => service.close() };
  }),
);

describeLink('Bluetooth, controller behind h4:serial', () =>
  over(async (controller) => {
    const service = await serveH4(controller, { kind: 'pty' });
    return { adapter: await BleAdapter.open(service.adapter), detach: () => service.close() };
  }),
);
