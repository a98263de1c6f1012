import { afterEach, describe, expect, it } from '@jest/globals';
import { constants, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ReadStream } from 'node:tty';
import type { SerialPeripheral } from '../target.js';
import { openPtyPair } from './pty-pair.js';
import { serveSerial, type SerialService } from './serve-serial.js';

interface Port {
  on(event: 'data', listener: (value: Buffer) => void): void;
  write(bytes: Uint8Array): void;
  close(done: () => void): void;
  readonly isOpen: boolean;
}
const { SerialPort } = createRequire(import.meta.url)('serialport') as {
  SerialPort: new (options: { path: string; baudRate: number }, opened: (error: Error | null) => void) => Port;
};

const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, i) => i);

/** Sends back what it hears; says nothing by itself. */
class Echo implements SerialPeripheral {
  readonly heard: number[] = [];
  #send: ((bytes: Uint8Array) => void) | undefined;
  constructor(readonly baud = 115200) {}
  attach(send: (bytes: Uint8Array) => void): void {
    this.#send = send;
  }
  onBytes(bytes: Uint8Array): void {
    this.heard.push(...bytes);
    this.#send?.(bytes);
  }
  say(bytes: Uint8Array): void {
    this.#send?.(bytes);
  }
}

const services: SerialService[] = [];
const ports: Port[] = [];

afterEach(async () => {
  for (const port of ports.splice(0)) if (port.isOpen) await new Promise<void>((resolve) => port.close(resolve));
  for (const service of services.splice(0)) await service.close();
});

function serve(peripheral: SerialPeripheral, pacing: 'baud' | 'unpaced'): SerialService {
  const service = serveSerial(peripheral, { pacing });
  services.push(service);
  return service;
}

async function openPort(path: string): Promise<{ port: Port; read(count: number): Promise<Buffer> }> {
  const port = await new Promise<Port>((resolve, reject) => {
    const opening = new SerialPort({ path, baudRate: 115200 }, (error) => (error ? reject(error) : resolve(opening)));
  });
  ports.push(port);
  let seen = Buffer.alloc(0);
  let look = (): void => undefined;
  port.on('data', (bytes) => {
    seen = Buffer.concat([seen, bytes]);
    look();
  });
  const read = (count: number): Promise<Buffer> =>
    new Promise((resolve) => {
      look = () => {
        if (seen.length < count) return;
        const result = seen.subarray(0, count);
        seen = seen.subarray(count);
        look = () => undefined;
        resolve(result);
      };
      look();
    });
  return { port, read };
}

describe('a device behind a pseudo-terminal', () => {
  it('carries every byte value both ways, unchanged', async () => {
    const { port, read } = await openPort(serve(new Echo(), 'unpaced').path);
    for (let round = 0; round < 4; round++) {
      port.write(ALL_BYTES);
      expect([...(await read(256))]).toEqual([...ALL_BYTES]);
    }
  });

  it('is raw before the host opens it: nothing comes back to the device as an echo', async () => {
    const echo = new Echo();
    const { path } = serve(echo, 'unpaced');
    echo.say(Uint8Array.from([0x41, 0x0a, 0x0d, 0x03, 0x04]));
    const { port, read } = await openPort(path);
    port.write(Uint8Array.of(0x55));
    while ((await read(1))[0] !== 0x55);
    expect(echo.heard).toEqual([0x55]);
  });

  it('survives closing and opening again', async () => {
    const { path } = serve(new Echo(), 'unpaced');
    for (let round = 0; round < 3; round++) {
      const { port, read } = await openPort(path);
      port.write(ALL_BYTES);
      expect((await read(256)).length).toBe(256);
      await new Promise<void>((resolve) => port.close(resolve));
    }
  });

  it('takes as long as the line would, in both directions', async () => {
    const { port, read } = await openPort(serve(new Echo(19200), 'baud').path);
    const startedAt = performance.now();
    port.write(ALL_BYTES);
    await read(256);
    // 256 bytes are 133.3 ms on the line; back they start after the first 64 (33.3 ms).
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(166);
  });

  it('unplugged, the host sees its end close', async () => {
    const service = serve(new Echo(), 'unpaced');
    const host = new ReadStream(openSync(service.path, constants.O_RDWR | constants.O_NOCTTY));
    host.setRawMode(true);
    const heard = new Promise<void>((resolve) => host.once('data', () => resolve()));
    const gone = new Promise<void>((resolve) => {
      host.on('error', () => host.destroy());
      host.on('close', () => resolve());
    });
    // The terminal is a duplex stream in all but its type.
    (host as unknown as { write(bytes: Uint8Array): void }).write(Uint8Array.of(1));
    await heard;
    await service.unplug();
    await gone;
  });

  it('loses bytes rather than memory while no host reads', () => {
    const pair = openPtyPair();
    let lost = 0;
    for (let i = 0; i < 200; i++) if (!pair.write(new Uint8Array(4096))) lost += 1;
    expect(lost).toBeGreaterThan(100);
    return pair.close();
  });
});
