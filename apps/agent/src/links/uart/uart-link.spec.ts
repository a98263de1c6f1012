import { afterEach, describe, expect, it } from '@jest/globals';
import { openPtyPair, type PtyPair } from '@drydock/device-sim';
import { SERIAL_CHANNEL, type OpenLink } from '@drydock/dfu-core';
import { UartLink } from './uart-link.js';

const pairs: PtyPair[] = [];
const links: OpenLink[] = [];
afterEach(async () => {
  for (const link of links.splice(0)) await link.close();
  for (const pair of pairs.splice(0)) await pair.close();
});

function terminal(): { pair: PtyPair; link: UartLink; heard: () => Buffer; hears: (bytes: number) => Promise<Buffer> } {
  const pair = openPtyPair();
  pairs.push(pair);
  let heard = Buffer.alloc(0);
  let look = (): void => undefined;
  pair.onData((bytes) => {
    heard = Buffer.concat([heard, bytes]);
    look();
  });
  return {
    pair,
    link: new UartLink({ name: `serial:${pair.path}?baud=1000000`, path: pair.path, line: { baud: 1_000_000 } }),
    heard: () => heard,
    hears: (bytes) =>
      new Promise((resolve) => {
        look = () => heard.length >= bytes && resolve(heard);
        look();
      }),
  };
}

async function open(link: UartLink): Promise<OpenLink> {
  const opened = await link.open({}, 2000);
  links.push(opened);
  return opened;
}

async function read(link: OpenLink, bytes: number): Promise<Buffer> {
  let seen = Buffer.alloc(0);
  while (seen.length < bytes) {
    const frame = await link.receive([SERIAL_CHANNEL], 2000);
    if (!frame) throw new Error(`only ${seen.length} bytes came`);
    seen = Buffer.concat([seen, frame.bytes]);
  }
  return seen;
}

const ALL = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
const within = { acknowledged: false, withinMs: 2000 };

describe('UART link over a pseudo-terminal', () => {
  it('carries every byte value both ways', async () => {
    const { pair, link, hears } = terminal();
    const opened = await open(link);
    expect(opened.info).toMatchObject({
      kind: 'serial',
      channels: [SERIAL_CHANNEL],
      identity: { kind: 'port-path', value: pair.path },
    });
    await opened.send(SERIAL_CHANNEL, ALL, within);
    expect((await hears(256)).equals(ALL)).toBe(true);
    pair.write(ALL);
    expect((await read(opened, 256)).equals(ALL)).toBe(true);
    expect(await opened.receive([SERIAL_CHANNEL], 20)).toBeUndefined();
  });

  it('takes bytes at the pace of the line', async () => {
    const { pair } = terminal();
    const slow = new UartLink({ name: 'slow', path: pair.path, line: { baud: 115_200 } });
    const opened = await open(slow);
    const began = performance.now();
    for (let count = 0; count < 9; count += 1) await opened.send(SERIAL_CHANNEL, ALL, within);
    // 2304 bytes are 200 ms at this speed; the link may run 25 ms ahead.
    expect(performance.now() - began).toBeGreaterThan(170);
    await opened.configure({ baud: 1_000_000 }, 1000);
    const faster = performance.now();
    for (let count = 0; count < 9; count += 1) await opened.send(SERIAL_CHANNEL, ALL, within);
    expect(performance.now() - faster).toBeLessThan(170);
  });

  it('is exclusive, and free again after closing', async () => {
    const { pair, link } = terminal();
    const opened = await open(link);
    const second = new UartLink({ name: 'second', path: pair.path, line: { baud: 115_200 } });
    await expect(second.open({}, 0)).rejects.toMatchObject({ code: 'link.busy' });
    await opened.close();
    await open(second);
  });

  it('says that a port is not there', async () => {
    const none = new UartLink({ name: 'serial:/dev/none', path: '/dev/none', line: { baud: 9600 } });
    await expect(none.open({}, 150)).rejects.toMatchObject({
      code: 'link.not-found',
      params: { link: 'serial:/dev/none' },
    });
  });

  it('notices an unplugged port, with and without a reader', async () => {
    const first = terminal();
    const opened = await open(first.link);
    expect(await opened.receive([SERIAL_CHANNEL], 20)).toBeUndefined();
    const reading = expect(opened.receive([SERIAL_CHANNEL], 4000)).rejects.toMatchObject({ code: 'link.lost' });
    await first.pair.close();
    await reading;
    await opened.closed;
    await expect(opened.send(SERIAL_CHANNEL, ALL, within)).rejects.toMatchObject({ code: 'link.lost' });

    const second = terminal();
    const idle = await open(second.link);
    expect(await idle.receive([SERIAL_CHANNEL], 20)).toBeUndefined();
    await second.pair.close();
    await idle.closed;
  });

  it('notices a port that went while it was being read', async () => {
    const { pair, link } = terminal();
    const opened = await open(link);
    await pair.close();
    await expect(opened.receive([SERIAL_CHANNEL], 50)).rejects.toMatchObject({ code: 'link.lost' });
    await opened.closed;
  });

  it('follows a target through a restart without letting go of the port', async () => {
    const { pair, link, hears } = terminal();
    const opened = await open(link);
    const again = await link.reopen(opened, { afterMs: 1 }, 1000);
    links.push(again);
    await opened.closed;
    await expect(opened.receive([SERIAL_CHANNEL], 10)).rejects.toMatchObject({ code: 'link.lost' });
    pair.write(ALL);
    expect((await read(again, 256)).equals(ALL)).toBe(true);
    await again.send(SERIAL_CHANNEL, ALL, within);
    await hears(256);
  });
});
