/** A port whose writes never end: the other end holds the line, or the adapter hangs. */
import { afterEach, expect, it } from '@jest/globals';
import { openPtyPair, type PtyPair } from '@drydock/device-sim';
import { SERIAL_CHANNEL, type OpenLink } from '@drydock/dfu-core';
import { UartLink } from './uart-link.js';

const pairs: PtyPair[] = [];
const links: OpenLink[] = [];
afterEach(async () => {
  for (const link of links.splice(0)) await link.close();
  for (const pair of pairs.splice(0)) await pair.close();
});

/** More than the kernel keeps for a port. */
const TOO_MUCH = Buffer.alloc(64 * 1024, 0x55);

async function heldPort(): Promise<{ pair: PtyPair; link: UartLink; open: OpenLink; heard: () => string }> {
  const pair = openPtyPair();
  pairs.push(pair);
  let heard = '';
  pair.onData((bytes) => (heard += Buffer.from(bytes).toString('latin1')));
  const link = new UartLink({ name: 'held', path: pair.path, line: { baud: 4_000_000 } });
  const open = await link.open({}, 30_000);
  links.push(open);
  pair.hold(true);
  return { pair, link, open, heard: () => heard };
}

it('is given up, and opened anew when the session comes back to it', async () => {
  const { pair, link, open, heard } = await heldPort();
  await expect(open.send(SERIAL_CHANNEL, TOO_MUCH, { acknowledged: false, withinMs: 2500 })).rejects.toMatchObject({
    code: 'link.lost',
    params: { detail: expect.stringContaining('took no bytes for 2500 ms') },
  });
  await open.closed;
  await expect(open.receive([SERIAL_CHANNEL], 10)).rejects.toMatchObject({ code: 'link.lost' });
  pair.hold(false);
  const again = await link.reopen(open, {}, 30_000);
  links.push(again);
  await again.send(SERIAL_CHANNEL, Buffer.from('hello'), { acknowledged: false, withinMs: 30_000 });
  while (!heard().endsWith('hello')) await new Promise((resolve) => setImmediate(resolve));
  // Nothing of what hung is sent behind the back of the new conversation.
  expect(heard().length).toBeLessThan(TOO_MUCH.length);
}, 60_000);

it('a line that is held for a moment is a time-out, and goes on', async () => {
  const { pair, open, heard } = await heldPort();
  await expect(open.send(SERIAL_CHANNEL, TOO_MUCH, { acknowledged: false, withinMs: 200 })).rejects.toMatchObject({
    code: 'link.timeout',
  });
  pair.hold(false);
  await open.send(SERIAL_CHANNEL, Buffer.from('!'), { acknowledged: false, withinMs: 30_000 });
  while (!heard().endsWith('!')) await new Promise((resolve) => setImmediate(resolve));
  expect(heard()).toHaveLength(TOO_MUCH.length + 1);
}, 60_000);
