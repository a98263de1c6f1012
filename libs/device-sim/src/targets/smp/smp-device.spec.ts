import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { decode, encode } from 'cborg';
import type { Input, Session } from '@drydock/dfu-core';
import { fromHex, toHex } from '@drydock/dfu-core';
import type { LinkModel } from '../../links/link-model.js';
import { runInVirtualTime } from '../../links/virtual-run.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import { crc16Xmodem } from '../checksums.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import { ConsoleReceiver, encodeConsoleLines } from './console-framing.js';
import { imageIsValid, makeFactoryImage, readImage } from './mcuboot-image.js';
import type { SmpOptions } from './options.js';
import { SmpUuid } from './smp-ble.js';
import { createSmpDevice, type SmpDevice } from './smp-device.js';

// Image A of the recorded dialogue: 88 bytes, version 1.2.3+4, unsigned.
const IMAGE_A = fromHex(
  '3db8f3960000000020000000100000000000000001020300' +
    '0400000000000000000102030405060708090a0b0c0d0e0f' +
    '076928001000200004cbb04cff0327ca1d27929d4af2c825fb1d13bdb48fd5fdd935263b6e42d4b3',
);
const HASH_A = fromHex('04cbb04cff0327ca1d27929d4af2c825fb1d13bdb48fd5fdd935263b6e42d4b3');
const SHA_A = createHash('sha256').update(IMAGE_A).digest();
const OLD = makeFactoryImage({
  body: makeDemoFirmware({ model: 'm', version: '0.9.0', sizeBytes: 3000 }),
  version: '0.9.0',
});

type Body = Record<string, unknown>;
interface Answer {
  readonly version: number;
  readonly seq: number;
  readonly body: Body;
  readonly hex: string;
}

function message(op: number, group: number, command: number, seq: number, body: Body, version = 1): Uint8Array {
  const payload = encode(body);
  const head = [(version << 3) | op, 0, payload.length >> 8, payload.length & 255, 0, group, seq, command];
  return Uint8Array.from([...head, ...payload]);
}

/** How a message travels on each transport, host side. */
class Host {
  #seq = 0;
  readonly #frames: Uint8Array[] = [];
  readonly #receiver = new ConsoleReceiver(
    4096,
    (line) => line,
    (frame) => this.#frames.push(frame),
  );
  #raw: Uint8Array = new Uint8Array();

  constructor(readonly transport: 'console' | 'raw' | 'ble' | 'udp') {}

  get channel(): string {
    return { console: 'serial', raw: 'serial', udp: 'udp', ble: SmpUuid.characteristic }[this.transport];
  }

  *send(bytes: Uint8Array): Session<void> {
    const pieces =
      this.transport === 'console'
        ? encodeConsoleLines(bytes, false)
        : this.transport === 'ble'
          ? Array.from({ length: Math.ceil(bytes.length / 244) }, (_, i) => bytes.slice(i * 244, i * 244 + 244))
          : [bytes];
    for (const piece of pieces) yield { kind: 'send', channel: this.channel, bytes: piece, withinMs: 5000 };
  }

  *receive(withinMs = 60_000): Session<Answer | undefined> {
    while (this.#frames.length === 0) {
      const input: Input = yield { kind: 'await', channels: [this.channel], withinMs };
      if (input.kind !== 'frame') return undefined;
      if (this.transport === 'console') this.#receiver.push(input.bytes);
      else {
        this.#raw = Uint8Array.from([...this.#raw, ...input.bytes]);
        const total = 8 + (((this.#raw[2] ?? 0) << 8) | (this.#raw[3] ?? 0));
        if (this.#raw.length >= 8 && this.#raw.length >= total) {
          this.#frames.push(this.#raw.slice(0, total));
          this.#raw = this.#raw.slice(total);
        }
      }
    }
    const frame = this.#frames.shift() ?? new Uint8Array();
    return {
      version: ((frame[0] ?? 0) >> 3) & 3,
      seq: frame[6] ?? 0,
      body: decode(frame.subarray(8)) as Body,
      hex: toHex(frame),
    };
  }

  *ask(op: number, group: number, command: number, body: Body = {}, version = 1): Session<Body> {
    const seq = this.#seq++ & 255;
    yield* this.send(message(op, group, command, seq, body, version));
    const answer = yield* this.receive();
    if (!answer) throw new Error(`no answer to ${group}/${command}`);
    if (answer.seq !== seq) throw new Error(`answer to another request: ${answer.seq}`);
    return answer.body;
  }

  *upload(image: Uint8Array, chunk: number, sha = createHash('sha256').update(image).digest()): Session<void> {
    for (let off = 0; off < image.length;) {
      const first = off === 0 ? { len: image.length, sha } : {};
      const answer = yield* this.ask(2, 1, 1, { data: image.slice(off, off + chunk), off, ...first });
      if (typeof answer['off'] !== 'number') throw new Error(`upload: ${JSON.stringify(answer)}`);
      off = answer['off'];
    }
  }

  *list(): Session<string[]> {
    const { images } = (yield* this.ask(0, 1, 0)) as { images: Body[] };
    const letters = { bootable: 'b', pending: 'p', confirmed: 'c', active: 'a', permanent: 'P' };
    return images.map((image) => {
      const flags = Object.entries(letters).map(([key, letter]) => (image[key] === true ? letter : ''));
      return `${String(image['slot'])} ${String(image['version'])} ${flags.join('')}`;
    });
  }
}

function withUnit<T>(
  options: Partial<SmpOptions>,
  story: (host: Host, device: SmpDevice) => Session<T>,
  model: LinkModel = {},
): { outcome: T; device: SmpDevice; elapsedMs: number } {
  const scheduler = new VirtualScheduler();
  const device = createSmpDevice({ scheduler, image: OLD, slotBytes: 64 * 1024, ...options });
  const transport = options.transport ?? 'console';
  const host = new Host(transport);
  const run = runInVirtualTime(
    function* (): Session<T> {
      yield { kind: 'subscribe', channel: host.channel, withinMs: 1000 };
      return yield* story(host, device);
    },
    device,
    { scheduler, model, ...(transport === 'udp' ? { link: 'udp' as const } : {}) },
  );
  return { outcome: run.outcome, device, elapsedMs: run.elapsedMs };
}

const rebootAndBack = function* (host: Host): Session<void> {
  yield* host.ask(2, 0, 5);
  yield { kind: 'reconnect', as: { afterMs: 4000 }, withinMs: 60_000 };
  yield { kind: 'subscribe', channel: host.channel, withinMs: 1000 };
};

describe('spelling', () => {
  it('computes the CRC of the console framing', () => {
    expect(crc16Xmodem(new TextEncoder().encode('123456789'))).toBe(0x31c3);
  });

  it('writes one line for a short message, as recorded', () => {
    const echo = fromHex('0a00000600000000a16164626869');
    expect(encodeConsoleLines(echo, false).map((line) => Buffer.from(line).toString('latin1'))).toEqual([
      '\x06\x09ABAKAAAGAAAAAKFhZGJoaeJ8\n',
    ]);
  });

  it.each([
    [86, [123]],
    [89, [127]],
    [92, [127, 7]],
    [93, [127, 11]],
  ])('cuts a message of %d bytes', (length, lines) => {
    expect(encodeConsoleLines(new Uint8Array(length), false).map((line) => line.length)).toEqual(lines);
  });

  it('reads back its own lines with the CRC on a line of its own, among log text', () => {
    const seen: string[] = [];
    const receiver = new ConsoleReceiver(
      1000,
      (line) => line,
      (frame) => seen.push(toHex(frame)),
    );
    for (let length = 8; length < 300; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 255);
      receiver.push(new TextEncoder().encode('uart:~$ log text\n'));
      for (const line of encodeConsoleLines(bytes, true)) receiver.push(line);
      expect(seen.pop()).toBe(toHex(bytes));
    }
  });

  it('answers as recorded from Zephyr and MCUboot', () => {
    const { outcome } = withUnit({ verboseErrors: true }, function* (host): Session<string[]> {
      const hexes: string[] = [];
      for (const bytes of [
        message(0, 0, 6, 3, {}),
        message(2, 1, 1, 17, { data: new Uint8Array(40), len: 88, off: 0 }),
        message(2, 1, 1, 1, { data: new Uint8Array(40) }, 0),
        message(2, 0, 0, 1, { d: 'hi' }, 2),
        message(2, 1, 1, 1, { data: IMAGE_A.slice(0, 40), len: 88, off: 0 }),
      ]) {
        yield* host.send(bytes);
        hexes.push((yield* host.receive())?.hex ?? 'silence');
      }
      return hexes;
    });
    expect(outcome).toEqual([
      '0900001900000306bf686275665f73697a65190180696275665f636f756e7404ff',
      '0b00001300011101bf63657272bf6567726f75700162726317ffff',
      '0300001b00010101bf627263036372736e70686561646572206d616c666f726d6564ff',
      '0b00000600000100bf6272630dff',
      '0b00000800010101bf636f66661828ff',
    ]);
  });
});

describe('upload, as recorded on Zephyr 4.4.0', () => {
  it('follows the dialogue', () => {
    const { outcome } = withUnit({}, function* (host): Session<unknown[]> {
      const put = (off: number, length: number, from = off): Session<Body> =>
        host.ask(2, 1, 1, {
          data: IMAGE_A.slice(from, from + length),
          off,
          ...(off === 0 ? { len: 88, sha: SHA_A } : {}),
        });
      const answers: unknown[] = [];
      const steps = [
        [0, 40],
        [44, 20],
        [0, 40],
        [40, 20],
        [40, 20],
        [60, 30, 50],
        [60, 28],
        [0, 40],
        [40, 48],
        [40, 48],
      ] as const;
      for (const [off, length, from] of steps) answers.push(yield* put(off, length, from));
      answers.push(yield* host.ask(2, 1, 1, { data: IMAGE_A, off: 0, len: 10_000_000 }));
      answers.push(yield* host.ask(2, 1, 5, { slot: 0 }), yield* host.ask(2, 1, 5, { slot: 9 }));
      return answers;
    });
    const error = (rc: number): Body => ({ err: { group: 1, rc } });
    expect(outcome).toEqual([
      { off: 40 },
      { off: 40 },
      { off: 40 },
      { off: 60 },
      { off: 60 },
      error(31),
      { off: 0 },
      { off: 40 },
      { off: 88 },
      { off: 0 },
      error(30),
      error(9),
      error(10),
    ]);
  });

  it('answers match, and knows an image that is already there', () => {
    const { outcome } = withUnit({ imageCheck: true }, function* (host): Session<Body[]> {
      const first = { data: IMAGE_A, off: 0, len: 88 };
      return [
        yield* host.ask(2, 1, 1, { ...first, sha: new Uint8Array(32) }),
        yield* host.ask(2, 1, 1, { ...first, sha: SHA_A }),
      ];
    });
    expect(outcome).toEqual([
      { off: 88, match: false },
      { off: 88, match: true },
    ]);
  });

  it('refuses an older version when asked to', () => {
    const { outcome } = withUnit({ image: IMAGE_A }, (host) =>
      host.ask(2, 1, 1, { data: OLD.slice(0, 100), off: 0, len: OLD.length, upgrade: true }),
    );
    expect(outcome).toEqual({ err: { group: 1, rc: 27 } });
  });

  it('drops what does not fit its buffer, and requests for which it has none', () => {
    const { outcome } = withUnit({ bufSize: 384, bufCount: 3, processMs: 50 }, function* (host): Session<number> {
      yield* host.send(message(2, 0, 0, 200, { d: 'x'.repeat(381 - 13) }));
      for (let seq = 0; seq < 6; seq++) yield* host.send(message(2, 0, 0, seq, { d: 'x' }));
      let answers = 0;
      while (yield* host.receive(2000)) answers += 1;
      return answers;
    });
    expect(outcome).toBe(2);
  });
});

describe('test, confirm, revert', () => {
  it('tests, runs unconfirmed, confirms', () => {
    const { outcome, device } = withUnit({}, function* (host): Session<unknown[]> {
      const seen: unknown[] = [yield* host.list()];
      yield* host.upload(IMAGE_A, 60);
      seen.push(yield* host.list());
      yield* host.ask(2, 1, 0, { hash: HASH_A, confirm: false });
      seen.push(yield* host.list());
      seen.push(yield* host.ask(2, 1, 0, { hash: HASH_A, confirm: true }));
      yield* rebootAndBack(host);
      seen.push(yield* host.list());
      seen.push(yield* host.ask(2, 1, 5), yield* host.ask(2, 1, 0, { hash: HASH_A, confirm: false }));
      yield* host.ask(2, 1, 0, { confirm: true });
      seen.push(yield* host.list());
      return seen;
    });
    expect(outcome).toEqual([
      ['0 0.9.0 bca'],
      ['0 0.9.0 bca', '1 1.2.3.4 b'],
      ['0 0.9.0 bca', '1 1.2.3.4 bp'],
      { err: { group: 1, rc: 28 } },
      ['0 1.2.3.4 ba', '1 0.9.0 bc'],
      { err: { group: 1, rc: 9 } },
      { err: { group: 1, rc: 33 } },
      ['0 1.2.3.4 bca', '1 0.9.0 b'],
    ]);
    expect(device.flash.runningImageSha256()).toBe(SHA_A.toString('hex'));
    expect(device.touches.map((touch) => touch.what)).toEqual([
      'booted',
      'touched',
      'erased',
      'written',
      'activated',
      'booted',
      'touched',
      'confirmed',
    ]);
  });

  it('reverts at the next reset when nobody confirms', () => {
    const { outcome, device } = withUnit({}, function* (host): Session<string[]> {
      yield* host.upload(IMAGE_A, 60);
      yield* host.ask(2, 1, 0, { hash: HASH_A });
      yield* rebootAndBack(host);
      yield* rebootAndBack(host);
      return yield* host.list();
    });
    expect(outcome).toEqual(['0 0.9.0 bca', '1 1.2.3.4 b']);
    expect(device.touches.map((touch) => touch.what)).toContain('reverted');
  });

  it('an image with a flipped byte is listed, tested, and gone after the reset', () => {
    const broken = IMAGE_A.slice();
    broken[40] = (broken[40] ?? 0) ^ 1;
    const { outcome } = withUnit({}, function* (host): Session<string[][]> {
      yield* host.upload(broken, 60);
      const before = yield* host.list();
      yield* host.ask(2, 1, 0, { hash: HASH_A });
      yield* rebootAndBack(host);
      return [before, yield* host.list()];
    });
    expect(outcome).toEqual([['0 0.9.0 bca', '1 1.2.3.4 b'], ['0 0.9.0 bca']]);
  });

  it('wants the signature of its key', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const sign = (version: string, key = privateKey): Uint8Array =>
      makeFactoryImage({ body: makeDemoFirmware({ model: 'm', version, sizeBytes: 1000 }), version, privateKey: key });
    const factory = sign('1.0.0');
    const after = (image: Uint8Array): string[] =>
      withUnit({ image: factory, publicKey }, function* (host): Session<string[]> {
        yield* host.upload(image, 300);
        yield* host.ask(2, 1, 0, { hash: readImage(image)?.hash });
        yield* rebootAndBack(host);
        return yield* host.list();
      }).outcome;
    expect(after(sign('2.0.0'))).toEqual(['0 2.0.0 ba', '1 1.0.0 bc']);
    expect(after(sign('2.0.0', generateKeyPairSync('ed25519').privateKey))).toEqual(['0 1.0.0 bca']);
    expect(after(makeFactoryImage({ body: new Uint8Array(100), version: '2.0.0' }))).toEqual(['0 1.0.0 bca']);
  });

  it('checks an image of the worked vectors, with protected TLVs', () => {
    // Image B of the recorded vectors: protected TLVs, Ed25519 over the digest.
    const image = fromHex(
      '3db8f3960000000020001c001000000000000000010204000000000000000000000102030405060708090a0b0c0d0e0f' +
        '08691c005000040007000000 40000c00010000000200000000000000' +
        '07699000 10002000 94754211c57d6bed22b8f184fa90af18a59c65c2251bf4e4a7b4f15928615ca7' +
        '01002000 a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5' +
        '24004000 5204b84e53584f12ba3a40a30e7b159c08865281a61b46aab71e2b22d0c9c4b91cb654e6fa347b2ca42ebdf51c2f04983f294b7cc028b5671226f8903346b407',
    );
    const read = readImage(image);
    expect(read?.totalBytes).toBe(220);
    expect(read && imageIsValid(read, undefined)).toBe(true);
  });

  it('confirms at once with overwrite-only, and cannot go back', () => {
    const { outcome } = withUnit({ mode: 2 }, function* (host): Session<string[]> {
      yield* host.upload(IMAGE_A, 60);
      yield* host.ask(2, 1, 0, { hash: HASH_A, confirm: true });
      yield* rebootAndBack(host);
      yield* rebootAndBack(host);
      return yield* host.list();
    });
    expect(outcome).toEqual(['0 1.2.3.4 bca']);
  });

  it('goes back after a confirm when the plan says so', () => {
    const { outcome } = withUnit({ faults: { revertAfterConfirm: true } }, function* (host): Session<string[]> {
      yield* host.upload(IMAGE_A, 60);
      yield* host.ask(2, 1, 0, { hash: HASH_A });
      yield* rebootAndBack(host);
      yield* host.ask(2, 1, 0, { confirm: true });
      yield { kind: 'sleep', withinMs: 20_000 };
      return yield* host.list();
    });
    expect(outcome).toEqual(['0 0.9.0 bca', '1 1.2.3.4 b']);
  });
});

describe('every transport carries the same update', () => {
  it.each(['console', 'raw', 'ble', 'udp'] as const)('%s', (transport) => {
    const image = makeFactoryImage({
      body: makeDemoFirmware({ model: 'm', version: '1.0.0', sizeBytes: 9000 }),
      version: '1.0.0',
    });
    const { outcome, device } = withUnit({ transport, chatter: true, crcOnExtraLine: true }, function* (host): Session<
      string[]
    > {
      yield* host.upload(image, 300);
      yield* host.ask(2, 1, 0, { hash: readImage(image)?.hash, confirm: true });
      yield* rebootAndBack(host);
      return yield* host.list();
    });
    expect(outcome).toEqual(['0 1.0.0 bca', '1 0.9.0 b']);
    expect(Buffer.from(device.flash.region('slot0')).subarray(0, image.length).equals(image)).toBe(true);
  });

  it('says who it is', () => {
    const { outcome } = withUnit({ deviceId: 'a1b2', model: 'board-x' }, function* (host): Session<Body[]> {
      return [yield* host.ask(0, 0, 7, { format: 'ni' }), yield* host.ask(0, 0, 8, { query: 'mode' })];
    });
    expect(outcome).toEqual([{ output: 'a1b2 board-x' }, { mode: 3 }]);
  });

  it('hears only noise at another baud rate', () => {
    const run = (): unknown => withUnit({}, (host) => host.ask(0, 0, 6), { serial: { baud: 9600 } });
    expect(run).toThrow('no answer');
  });
});

describe('serial recovery', () => {
  it('writes the primary slot and boots it', () => {
    const { outcome } = withUnit({}, function* (host): Session<unknown[]> {
      yield* host.ask(2, 0, 5, { boot_mode: 1 });
      yield { kind: 'sleep', withinMs: 2000 };
      const seen: unknown[] = [yield* host.ask(2, 0, 0, { d: 'x' }), yield* host.ask(2, 1, 5)];
      seen.push(yield* host.ask(2, 1, 1, { data: IMAGE_A.slice(0, 40), off: 0, len: 88 }));
      seen.push(yield* host.ask(2, 1, 1, { data: IMAGE_A.slice(40, 61), off: 40 }));
      seen.push(yield* host.ask(2, 1, 1, { data: IMAGE_A.slice(60), off: 60 }));
      seen.push(yield* host.ask(2, 0, 5));
      yield { kind: 'sleep', withinMs: 2000 };
      seen.push(yield* host.list());
      return seen;
    });
    expect(outcome).toEqual([
      { rc: 8 },
      { rc: 8 },
      { rc: 0, off: 40 },
      { rc: 0, off: 60 },
      { rc: 0, off: 88 },
      { rc: 0 },
      ['0 1.2.3.4 bca'],
    ]);
  });
});

describe('faults', () => {
  it('drops a line, stalls, refuses, and survives a power cut at any moment', () => {
    const lost = withUnit({ faults: { dropToDevice: [1] } }, function* (host): Session<boolean> {
      yield* host.send(message(0, 0, 6, 1, {}));
      return (yield* host.receive(1000)) === undefined;
    });
    expect(lost.outcome).toBe(true);
    const refused = withUnit({ faults: { refuse: { request: 'upload', code: 12 } } }, (host) =>
      host.ask(2, 1, 1, { data: IMAGE_A, off: 0, len: 88 }),
    );
    expect(refused.outcome).toEqual({ err: { group: 1, rc: 12 } });
    for (let cutAtMs = 50; cutAtMs < 6000; cutAtMs += 97) {
      const scheduler = new VirtualScheduler();
      const device = createSmpDevice({ scheduler, image: OLD, slotBytes: 64 * 1024 });
      scheduler.after(cutAtMs, () => device.powerCut(200));
      const host = new Host('console');
      try {
        runInVirtualTime(
          function* (): Session<void> {
            yield* host.upload(IMAGE_A, 60);
            yield* host.ask(2, 1, 0, { hash: HASH_A, confirm: true });
            yield* host.ask(2, 0, 5);
          },
          device,
          { scheduler },
        );
      } catch {
        // No answer: that is what a power cut is like.
      }
      scheduler.advance(60_000);
      const running = device.flash.runningImageSha256();
      expect([createHash('sha256').update(OLD).digest('hex'), SHA_A.toString('hex')]).toContain(running);
    }
  });
});
