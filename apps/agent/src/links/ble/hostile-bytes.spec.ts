/** Bytes that no honest device or controller sends: typed errors, ended waits, and an adapter that still works. */
import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GenericPeripheral, GenericUuid, memoryPort, SimulatedController, type MemoryPort } from '@drydock/device-sim';
import type { LinkError } from '@drydock/dfu-core';
import { BleAdapter } from './ble-adapter.js';

const ADDRESS = 'c0:11:22:33:44:50';
const open: BleAdapter[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((adapter) => adapter.close()));
});

async function setUp(): Promise<{
  adapter: BleAdapter;
  peripheral: GenericPeripheral;
  controller: SimulatedController;
  warnings: string[];
}> {
  const controller = new SimulatedController();
  const peripheral = new GenericPeripheral({ address: ADDRESS });
  controller.host(peripheral);
  const warnings: string[] = [];
  const adapter = await BleAdapter.overPort('memory', memoryPort(controller), { log: (line) => warnings.push(line) });
  open.push(adapter);
  return { adapter, peripheral, controller, warnings };
}

const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'resolved',
    (error: LinkError) => error.code ?? String(error),
  );

/** An ACL packet of the connection, as the controller would deliver it. */
function acl(handle: number, cid: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUInt8(0x02, 0);
  head.writeUInt16LE(handle | 0x2000, 1);
  head.writeUInt16LE(payload.length + 4, 3);
  head.writeUInt16LE(payload.length, 5);
  head.writeUInt16LE(cid, 7);
  return Buffer.concat([head, payload]);
}

describe('a hostile device', () => {
  it('loses its own link by a message that is too short, and nothing else happens', async () => {
    const { adapter, controller } = await setUp();
    const other = new GenericPeripheral({ address: 'c0:11:22:33:44:60' });
    controller.host(other);
    const bystander = await adapter.link('c0:11:22:33:44:60').open({}, 3000);
    const link = await adapter.link(ADDRESS).open({}, 3000);
    const read = link.query(GenericUuid.version, 3000);
    // A notification that ends before its handle.
    controller.emit('data', acl(0x0041, 4, Uint8Array.of(0x1b, 1)));
    await expect(read).rejects.toMatchObject({
      code: 'link.lost',
      params: { detail: 'the device sent malformed data' },
    });
    expect(await bystander.query(GenericUuid.version, 1000)).toHaveLength(300);
    const again = await adapter.link(ADDRESS).open({}, 3000);
    expect(await again.query(GenericUuid.version, 1000)).toHaveLength(300);
  });

  it('whatever it sends while it is discovered and used, every call ends and the next opening works', async () => {
    const payload = fc.uint8Array({ minLength: 0, maxLength: 40 });
    // Mostly opcodes that noble reacts to.
    const opcodes = [0x01, 0x02, 0x03, 0x05, 0x09, 0x0b, 0x11, 0x13, 0x1b, 0x1d];
    const att = fc.tuple(fc.constantFrom(...opcodes), payload).map(([opcode, rest]) => Uint8Array.of(opcode, ...rest));
    const frame = fc.tuple(fc.constantFrom(4, 4, 4, 5, 6), fc.oneof(att, payload));
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 12 }), async (frames) => {
        const { adapter, controller } = await setUp();
        let left = [...frames];
        controller.on('data', (packet) => {
          const handle = packet.readUInt16LE(1) & 0x0fff;
          const next = left[0];
          if (packet[0] !== 0x02 || !next) return;
          left = left.slice(1);
          setImmediate(() => controller.emit('data', acl(handle, next[0], next[1])));
        });
        const link = adapter.link(ADDRESS);
        const opened = await link.open({}, 400).catch((error: LinkError) => error.code);
        if (typeof opened !== 'string') {
          await codeOf(opened.query(GenericUuid.version, 150));
          await codeOf(opened.subscribe(GenericUuid.events, 150));
          await codeOf(opened.send(GenericUuid.commands, Uint8Array.of(1), { acknowledged: true, withinMs: 150 }));
          await opened.close();
        }
        left = [];
        const again = await link.open({}, 3000);
        expect(await again.query(GenericUuid.version, 1000)).toHaveLength(300);
        await adapter.close();
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});

describe('a broken controller', () => {
  it('that answers nothing makes Bluetooth unavailable, in time', async () => {
    const silent: MemoryPort = {
      write: () => undefined,
      onData: () => undefined,
      onClose: () => undefined,
      close: async () => undefined,
      fail: () => undefined,
    };
    expect(await codeOf(BleAdapter.overPort('memory', silent))).toBe('link.ble-unavailable');
  }, 10_000);

  it('may send noise between its packets', async () => {
    const controller = new SimulatedController();
    const peripheral = new GenericPeripheral({ address: ADDRESS });
    controller.host(peripheral);
    const port = memoryPort(controller);
    let listener: (bytes: Buffer) => void = () => undefined;
    controller.on('data', () => listener(Buffer.from([0x00, 0xff, 0x99])));
    const noisy = {
      ...port,
      onData: (next: (bytes: Buffer) => void) => {
        listener = next;
        port.onData(next);
      },
    };
    const adapter = await BleAdapter.overPort('memory', noisy);
    open.push(adapter);
    const link = await adapter.link(ADDRESS).open({}, 3000);
    expect(await link.query(GenericUuid.version, 1000)).toHaveLength(300);
  });
});

describe('an adapter that is not there', () => {
  it.each(['hci99', 'h4:unix:/nowhere/at/all', 'h4:tcp:127.0.0.1:1', 'h4:serial:/dev/nowhere'])(
    '%s is unavailable, and says why',
    async (name) => {
      await expect(BleAdapter.open(name)).rejects.toMatchObject({
        code: 'link.ble-unavailable',
        params: { detail: expect.stringMatching(/.+/) },
      });
    },
  );
});
