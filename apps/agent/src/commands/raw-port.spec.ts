/** A simulated module behind a pseudo-terminal, given to a "tool" that speaks BCSP over TCP. */
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createCsrBc127Device, RealScheduler, serveSerial, type CsrBc127Device } from '@drydock/device-sim';
import { BcspEngine, csrPayloads, makeCsrDfu } from '@drydock/dfu-core';
import { rawPort } from './raw-port.js';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function module(): { device: CsrBc127Device; link: string } {
  const scheduler = new RealScheduler();
  const file = makeCsrDfu({ description: 'Melody Audio V7.1 1526925062', program: new Uint8Array(500) });
  const device = createCsrBc127Device({
    scheduler,
    application: csrPayloads(file).get('image:0')!,
    syncMs: 100,
  });
  const service = serveSerial(device.serial, { pacing: 'unpaced' });
  closing.push(
    () => service.close(),
    () => scheduler.close(),
  );
  return { device, link: `serial:${service.path}?variant=standard` };
}

/** What a tool does first. */
function establish(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const engine = new BcspEngine();
    const socket = connect(port, '127.0.0.1');
    const say = (): void => engine.takeOutput().forEach((frame) => void socket.write(frame));
    socket.on('error', reject);
    socket.on('connect', say);
    const timer = setInterval(() => {
      engine.expire();
      say();
    }, 300);
    closing.push(() => clearInterval(timer));
    socket.on('data', (bytes: Buffer) => {
      const isUp = engine.push(bytes).some(({ kind }) => kind === 'link-up');
      say();
      if (!isUp) return;
      clearInterval(timer);
      resolve(socket);
    });
  });
}

describe('raw-port', () => {
  it('hands DFU mode to a tool, and brings Melody back when it hangs up', async () => {
    const { device, link } = module();
    let seen = '';
    const status = await rawPort({
      link,
      listen: '127.0.0.1:0',
      minutes: '0.7',
      json: true,
      listening: (port) =>
        void establish(port).then((socket) => {
          seen = device.unit.personality;
          socket.end();
        }),
    });
    expect(seen).toBe('dfu-mode');
    // The same version as before: nothing was proven.
    expect(status).toBe(3);
    expect(device.unit.personality).toBe('melody');
    expect(device.flash.runningImageSha256()).toBeDefined();
  }, 90_000);

  it('ends by itself when no tool comes', async () => {
    const { device, link } = module();
    expect(await rawPort({ link, listen: '127.0.0.1:0', minutes: '0.005', json: true })).toBe(3);
    expect(device.unit.personality).toBe('melody');
  }, 90_000);

  it.each([
    ['a network', { listen: '0.0.0.0:7000' }],
    ['no end', { minutes: '0' }],
    ['too long', { minutes: '61' }],
    ['no serial port', { link: 'udp:127.0.0.1:1337' }],
  ])('refuses %s, and leaves the module alone', async (_, change) => {
    const { device, link } = module();
    expect(await rawPort({ link, listen: '127.0.0.1:0', minutes: '2', json: true, ...change })).toBe(2);
    expect(device.touches.some(({ what }) => what === 'touched')).toBe(false);
  });
});
