/**
 * What every `Link` owes its driver, as one suite to run against each implementation.
 *
 * The device behind the link must echo: what is sent on `sendChannel` comes back on `receiveChannel`, whole and in
 * order (on a byte stream perhaps in other pieces).
 */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Channel, Link, LinkError, OpenLink } from '@drydock/dfu-core';

export interface LinkUnderTest {
  readonly link: Link;
  /** A link of the same kind to a device that is not there. */
  readonly absent: Link;
  readonly sendChannel: Channel;
  readonly receiveChannel: Channel;
  /** Acknowledged sends where the link knows them, else plain ones. */
  readonly acknowledged: boolean;
  /** The device or the port goes away. Undefined where that cannot be played. */
  breakLink?(): void;
  tearDown(): Promise<void>;
}

const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'resolved',
    (error: LinkError) => error.code ?? String(error),
  );

export function describeLink(name: string, setUp: () => Promise<LinkUnderTest>): void {
  describe(`${name} as a link`, () => {
    let subject: LinkUnderTest | undefined;
    let open: OpenLink | undefined;

    const begin = async (): Promise<LinkUnderTest & { readonly open: OpenLink }> => {
      subject = await setUp();
      open = await subject.link.open({}, 5000);
      await open.subscribe(subject.receiveChannel, 2000);
      return { ...subject, open };
    };
    const collect = async (from: OpenLink, channel: Channel, length: number): Promise<Uint8Array> => {
      const parts: Uint8Array[] = [];
      let total = 0;
      while (total < length) {
        const frame = await from.receive([channel], 2000);
        if (!frame) break;
        parts.push(frame.bytes);
        total += frame.bytes.length;
      }
      return Uint8Array.from(parts.flatMap((part) => [...part]));
    };

    afterEach(async () => {
      await open?.close();
      open = undefined;
      await subject?.tearDown();
      subject = undefined;
    });

    it('tells what it is', async () => {
      const { open: link, sendChannel, receiveChannel, link: place } = await begin();
      expect(link.info.kind).toBe(place.kind);
      expect(link.info.maxWriteBytes).toBeGreaterThanOrEqual(20);
      expect(link.info.channels).toContain(sendChannel);
      expect(link.info.channels).toContain(receiveChannel);
      expect(link.info.identity.value).not.toBe('');
      expect(place.name.startsWith(`${place.kind}:`)).toBe(true);
    });

    it('carries every byte value, in order', async () => {
      const { open: link, sendChannel, receiveChannel, acknowledged } = await begin();
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      for (let at = 0; at < bytes.length; at += 16) {
        await link.send(sendChannel, bytes.subarray(at, at + 16), { acknowledged, withinMs: 2000 });
      }
      expect(await collect(link, receiveChannel, 256)).toEqual(bytes);
    });

    it('carries sends that were not awaited in their order', async () => {
      const { open: link, sendChannel, receiveChannel, acknowledged } = await begin();
      const sends = Array.from({ length: 40 }, (_, i) =>
        link.send(sendChannel, Uint8Array.of(i, i, i, i), { acknowledged, withinMs: 5000 }),
      );
      await Promise.all(sends);
      const echoed = await collect(link, receiveChannel, 160);
      expect([...echoed]).toEqual(Array.from({ length: 160 }, (_, i) => Math.floor(i / 4)));
    });

    it('does not keep the sender’s buffer', async () => {
      const { open: link, sendChannel, receiveChannel, acknowledged } = await begin();
      const bytes = Uint8Array.of(1, 2, 3);
      const sent = link.send(sendChannel, bytes, { acknowledged, withinMs: 2000 });
      bytes.fill(9);
      await sent;
      expect([...(await collect(link, receiveChannel, 3))]).toEqual([1, 2, 3]);
    });

    it('ends a wait for nothing in time, without an error', async () => {
      const { open: link, receiveChannel } = await begin();
      expect(await link.receive([receiveChannel], 30)).toBeUndefined();
    });

    it('refuses a channel it does not have', async () => {
      const { open: link } = await begin();
      expect(await codeOf(link.send('ffff', Uint8Array.of(1), { acknowledged: true, withinMs: 1000 }))).toBe(
        'link.no-such-channel',
      );
    });

    it('is over after close, for whoever waits and whoever comes', async () => {
      const { open: link, sendChannel, receiveChannel } = await begin();
      const waiting = codeOf(link.receive([receiveChannel], 5000));
      await link.close();
      await link.closed;
      expect(await waiting).toBe('link.lost');
      expect(await codeOf(link.receive([receiveChannel], 1000))).toBe('link.lost');
      expect(await codeOf(link.send(sendChannel, Uint8Array.of(1), { acknowledged: false, withinMs: 1000 }))).toBe(
        'link.lost',
      );
      await link.close();
    });

    it('can be opened again after close', async () => {
      const { open: link, link: place, sendChannel, receiveChannel, acknowledged } = await begin();
      await link.close();
      open = await place.open({}, 5000);
      await open.subscribe(receiveChannel, 2000);
      await open.send(sendChannel, Uint8Array.of(5), { acknowledged, withinMs: 2000 });
      expect([...(await collect(open, receiveChannel, 1))]).toEqual([5]);
    });

    it('says in time that a device is absent', async () => {
      subject = await setUp();
      const began = performance.now();
      expect(['link.not-found', 'link.open-failed']).toContain(await codeOf(subject.absent.open({}, 300)));
      expect(performance.now() - began).toBeLessThan(2300);
    });

    it('notices that the other side is gone', async () => {
      const { open: link, receiveChannel, breakLink } = await begin();
      if (!breakLink) return;
      const waiting = codeOf(link.receive([receiveChannel], 10_000));
      breakLink();
      await link.closed;
      expect(await waiting).toBe('link.lost');
    });
  });
}
