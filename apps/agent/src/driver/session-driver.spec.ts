import { describe, expect, it } from '@jest/globals';
import { LinkError, SERIAL_CHANNEL, type Effect, type Input, type LinkInfo, type Session } from '@drydock/dfu-core';
import { ScriptedLink, sha256Hex } from '../testing/scripted-link.js';
import { turns, VirtualClock } from '../testing/virtual-clock.js';
import { NO_FENCES, type Fences } from './fences.js';
import { PayloadStore } from './payload-store.js';
import { SessionDriver, type DriverHooks } from './session-driver.js';

const send = (text: string): Effect => ({
  kind: 'send',
  channel: SERIAL_CHANNEL,
  bytes: new TextEncoder().encode(text),
  withinMs: 1000,
});
const awaitFrame: Effect = { kind: 'await', channels: [SERIAL_CHANNEL], withinMs: 50 };

/** Yields the effects in order and returns what was answered. */
function session(effects: readonly Effect[]) {
  return function* (_: LinkInfo): Session<Input[]> {
    const inputs: Input[] = [];
    for (const effect of effects) inputs.push(yield effect);
    return inputs;
  };
}

function setUp(more: { fences?: Fences; hooks?: DriverHooks; payload?: PayloadStore } = {}) {
  const clock = new VirtualClock();
  const link = new ScriptedLink('/dev/test', () => clock.bootMs(), clock);
  const driver = new SessionDriver({ clock, link, fences: NO_FENCES, ...more });
  const times = { openMs: 1000, limitMs: 60_000 };
  const settle = () => turns(6);
  return { clock, link, driver, times, settle };
}

const kinds = (inputs: readonly Input[]): string[] =>
  inputs.map((input) => (input.kind === 'failed' ? `failed ${input.code}` : input.kind));

describe('session driver', () => {
  it('performs one effect after the other and answers each with one input', async () => {
    const { driver, link, times, clock, settle } = setUp();
    link.onWrite = (text) => link.say(`re:${text}`);
    const running = driver.run(
      session([
        send('a'),
        awaitFrame,
        { kind: 'sleep', withinMs: 5000 },
        { kind: 'progress', sentBytes: 1, totalBytes: 2, withinMs: 0 },
        { kind: 'mark', step: 'touched', withinMs: 10 },
      ]),
      times,
    );
    await clock.advance(5000, settle);
    const inputs = await running;
    expect(kinds(inputs)).toEqual(['done', 'frame', 'done', 'done', 'done']);
    expect(driver.touched).toBe(true);
    await driver.close();
    expect([link.opens, link.closes]).toEqual([1, 1]);
  });

  it('says how long a frame was waited for', async () => {
    const { driver, link, times, clock, settle } = setUp();
    clock.after(30, () => link.say('late'));
    const running = driver.run(session([awaitFrame]), times);
    await clock.advance(30, settle);
    expect(await running).toMatchObject([{ kind: 'frame', channel: SERIAL_CHANNEL, waitedMs: 30 }]);
  });

  it('answers a silent link with a time-out and a lost one with closed, until it is opened again', async () => {
    const { driver, link, times, clock, settle } = setUp();
    link.onWrite = (text) => text === 'cut' && link.lose();
    const running = driver.run(
      session([
        awaitFrame,
        send('cut'),
        awaitFrame,
        send('x'),
        { kind: 'reconnect', as: {}, withinMs: 1000 },
        send('y'),
      ]),
      times,
    );
    await clock.advance(1000, settle);
    const inputs = await running;
    expect(kinds(inputs)).toEqual(['timeout', 'done', 'closed', 'closed', 'opened', 'done']);
    expect(link.writes.map(({ text }) => text)).toEqual(['cut', 'y']);
  });

  it('hands on why a link cannot be opened', async () => {
    const { driver, link, times } = setUp();
    link.refusal = new LinkError('link.busy', { link: 'x' });
    await expect(driver.run(session([]), times)).rejects.toMatchObject({ code: 'link.busy' });
  });

  it('writes the journal before it answers a mark, and refuses the mark when that fails', async () => {
    const order: string[] = [];
    const { driver, link, times } = setUp({
      hooks: {
        mark: async (step) => {
          order.push(`begin ${step}`);
          await turns(3);
          order.push(`written ${step}`);
        },
      },
    });
    link.onWrite = (text) => order.push(text);
    await driver.run(session([{ kind: 'mark', step: 'touched', withinMs: 10 }, send('touch')]), times);
    expect(order).toEqual(['begin touched', 'written touched', 'touch']);

    const failing = setUp({ hooks: { mark: () => Promise.reject(new LinkError('gateway.disk-full')) } });
    const inputs = await failing.driver.run(session([{ kind: 'mark', step: 'touched', withinMs: 10 }]), times);
    expect(kinds(inputs)).toEqual(['failed gateway.disk-full']);
    expect(failing.driver.touched).toBe(false);
  });

  it('looks at startBy again after the journal has been written', async () => {
    let startMs = 5;
    const fences: Fences = { startRemainingMs: () => startMs, finishRemainingMs: () => 1000 };
    const { driver, times } = setUp({
      fences,
      hooks: {
        mark: () => {
          startMs = 0; // the disk took its time
          return Promise.resolve();
        },
      },
    });
    const inputs = await driver.run(session([{ kind: 'mark', step: 'touched', withinMs: 10 }, send('touch')]), times);
    expect(kinds(inputs)[0]).toBe('failed fence.start-by');
    expect(driver.touched).toBe(false);
  });

  describe('between touched and the first answer (P2)', () => {
    const touched: Effect = { kind: 'mark', step: 'touched', withinMs: 10 };
    function fenced(startMs: number) {
      const heard: number[] = [];
      const world = setUp();
      const endsAt = world.clock.bootMs() + startMs;
      const driver = new SessionDriver({
        clock: world.clock,
        link: world.link,
        fences: {
          startRemainingMs: () => endsAt - world.clock.bootMs(),
          finishRemainingMs: () => endsAt + 60_000 - world.clock.bootMs(),
        },
        hooks: { answered: () => heard.push(world.clock.bootMs()) },
      });
      const play = async (effects: readonly Effect[]): Promise<string[]> => {
        const running = driver.run(session(effects), world.times);
        await world.clock.advance(10_000, world.settle);
        return kinds(await running);
      };
      return { ...world, driver, heard, play };
    }
    const wait: Effect = { kind: 'sleep', withinMs: 3000 };

    it('repeats a write only before startBy, also over a new link', async () => {
      const { play, link } = fenced(1000);
      const back: Effect = { kind: 'reconnect', as: {}, withinMs: 100 };
      expect(await play([touched, send('a'), awaitFrame, send('b'), wait, send('c'), back, send('d')])).toEqual([
        'done',
        'done',
        'timeout',
        'done',
        'done',
        'failed fence.start-by',
        'failed fence.start-by',
        'failed fence.start-by',
      ]);
      expect(link.writes.map(({ text }) => text)).toEqual(['a', 'b']);
    });

    it('looks for the target again only until startBy', async () => {
      const { play, link } = fenced(1000);
      const open = link.open.bind(link);
      const limits: number[] = [];
      link.open = ((_: unknown, withinMs: number) => {
        limits.push(withinMs);
        return limits.length === 1 ? open() : Promise.reject(new LinkError('link.not-found', { link: 'x', withinMs }));
      }) as never;
      const back: Effect = { kind: 'reconnect', as: {}, withinMs: 30_000 };
      const short: Effect = { kind: 'sleep', withinMs: 400 };
      expect((await play([touched, send('a'), short, back, wait, back])).slice(3)).toEqual([
        'failed link.not-found',
        'done',
        'failed fence.start-by',
      ]);
      expect(limits.slice(1)).toEqual([600]);
    });

    const answered: Effect = { kind: 'answered', withinMs: 0 };

    it('goes on after an answer of the protocol, and tells of the first one', async () => {
      const { play, link, heard } = fenced(1000);
      link.onWrite = () => link.say('ok');
      expect(await play([touched, send('a'), awaitFrame, answered, wait, send('b'), awaitFrame, answered])).toEqual([
        'done',
        'done',
        'frame',
        'done',
        'done',
        'done',
        'frame',
        'done',
      ]);
      expect(heard).toHaveLength(1);
    });

    it.each([
      ['ble', 'done', 1],
      ['serial', 'failed fence.start-by', 0],
      ['udp', 'failed fence.start-by', 0],
    ] as const)('a frame over %s that nobody calls an answer: then %s', async (kind, then, count) => {
      const { play, link, heard } = fenced(1000);
      const open = link.open.bind(link);
      link.open = async () => {
        const opened = await open();
        return { ...opened, info: { ...opened.info, kind } };
      };
      link.onWrite = () => link.say('[00:00:01.000] <inf> app: tick');
      expect((await play([touched, send('a'), awaitFrame, wait, send('b')])).at(-1)).toBe(then);
      expect(heard).toHaveLength(count);
    });

    it('takes what came before the first write for no answer', async () => {
      const { play, link, heard } = fenced(1000);
      link.onWrite = (text) => text === 'ask' && (link.say('one'), link.say('two'));
      expect(await play([send('ask'), awaitFrame, touched, awaitFrame, answered, send('a'), wait, send('b')])).toEqual([
        'done',
        'frame',
        'done',
        'frame',
        'done',
        'done',
        'done',
        'failed fence.start-by',
      ]);
      expect(heard).toEqual([]);
    });

    it('gives no cancellation as the answer to what the session only tells', async () => {
      const { driver, times } = setUp();
      driver.cancel();
      const inputs = await driver.run(session([answered, { kind: 'sleep', withinMs: 10 }]), times);
      expect(kinds(inputs)).toEqual(['done', 'cancel']);
    });

    it.each([
      ['ble', 'done'],
      ['serial', 'failed fence.start-by'],
    ] as const)('an acknowledged write over %s: then %s', async (kind, then) => {
      const { play, link } = fenced(1000);
      const open = link.open.bind(link);
      link.open = async () => {
        const opened = await open();
        return { ...opened, info: { ...opened.info, kind } };
      };
      const acknowledged = { ...send('a'), acknowledged: true } as Effect;
      expect((await play([touched, acknowledged, wait, send('b')])).at(-1)).toBe(then);
    });

    it('leaves a link no more time for the write than until startBy', async () => {
      const { play, link } = fenced(400);
      const open = link.open.bind(link);
      const limits: number[] = [];
      link.open = async () => ({
        ...(await open()),
        send: (_, __, { withinMs }) => {
          limits.push(withinMs);
          return Promise.reject(new LinkError('link.timeout', { withinMs, detail: 'full' }));
        },
      });
      expect((await play([touched, send('a'), wait, send('b')])).slice(1)).toEqual([
        'timeout',
        'done',
        'failed fence.start-by',
      ]);
      expect(limits).toEqual([400]);
    });
  });

  it('gives up a search for the target when it is aborted, and lets go before it closes', async () => {
    const { clock, link, times } = setUp();
    let searching = false;
    link.open = (async (_: unknown, __: number, signal?: AbortSignal) => {
      searching = true;
      await new Promise((resolve) => signal?.addEventListener('abort', resolve));
      await turns(5);
      searching = false;
      throw new LinkError('link.not-found', { link: 'x', withinMs: 1 });
    }) as never;
    const driver = new SessionDriver({ clock, link, fences: NO_FENCES });
    const ended = expect(driver.run(session([]), times)).rejects.toMatchObject({ code: 'link.lost' });
    await turns(2);
    driver.abort('somebody else wants it');
    await ended;
    await driver.close();
    expect(searching).toBe(false);
  });

  it('touches nothing without trusted time', async () => {
    const { driver, link, times } = setUp({
      fences: { startRemainingMs: () => undefined, finishRemainingMs: () => undefined },
    });
    const inputs = await driver.run(session([{ kind: 'mark', step: 'touched', withinMs: 10 }, send('touch')]), times);
    expect(kinds(inputs)).toEqual(['failed fence.no-time', 'failed fence.no-time']);
    expect(link.writes).toEqual([]);
  });

  it('writes nothing after finishBy, and ends a session that does not stop asking', async () => {
    const world = setUp();
    const endsAt = world.clock.bootMs() + 1000;
    const fences: Fences = { startRemainingMs: () => 1000, finishRemainingMs: () => endsAt - world.clock.bootMs() };
    const driver = new SessionDriver({ clock: world.clock, link: world.link, fences });
    const running = driver.run(function* (): Session<never> {
      yield send('before');
      yield { kind: 'sleep', withinMs: 2000 };
      for (;;) yield send('after');
    }, world.times);
    const ended = expect(running).rejects.toMatchObject({ code: 'fence.finish-by' });
    await world.clock.advance(3000, world.settle);
    await ended;
    expect(world.link.writes.map(({ text }) => text)).toEqual(['before']);
  });

  it('gives a cancellation once, and cuts a sleep short for it', async () => {
    const { driver, clock, times, settle } = setUp();
    const running = driver.run(session([{ kind: 'sleep', withinMs: 1_000_000 }, send('a'), send('b')]), {
      ...times,
      limitMs: 2_000_000,
    });
    await clock.advance(10, settle);
    driver.cancel();
    expect(kinds(await running)).toEqual(['done', 'cancel', 'done']);
    expect(driver.overdue).toBe(false);
  });

  it('asks a session past its limit to leave, and ends one that stays', async () => {
    const polite = setUp();
    const leaving = polite.driver.run(session([{ kind: 'sleep', withinMs: 90_000 }, send('bye')]), polite.times);
    await polite.clock.advance(60_001, polite.settle);
    expect(kinds(await leaving)).toEqual(['done', 'cancel']);
    expect(polite.driver.overdue).toBe(true);

    const rude = setUp();
    const staying = rude.driver.run(function* (): Session<never> {
      for (;;) yield { kind: 'sleep', withinMs: 1000 };
    }, rude.times);
    const ended = expect(staying).rejects.toMatchObject({ code: 'link.timeout' });
    await rude.clock.advance(90_000, rude.settle);
    await ended;
    expect(rude.link.closes).toBe(1);
  });

  it('takes a link that keeps no time for lost', async () => {
    const { clock, link, times, settle } = setUp();
    const open = link.open.bind(link);
    link.open = async () => ({ ...(await open()), send: () => new Promise<void>(() => undefined) });
    const driver = new SessionDriver({ clock, link, fences: NO_FENCES });
    const running = driver.run(session([send('x')]), times);
    await clock.advance(3000, settle);
    expect(kinds(await running)).toEqual(['closed']);
  });
});

describe('payload store', () => {
  const file = Uint8Array.from({ length: 10_000 }, (_, index) => index & 0xff);

  it('checks the file before anything, and each block again in the moment it is read (P6)', async () => {
    expect(() => new PayloadStore(file, 'a'.repeat(64), new Map())).toThrow(
      expect.objectContaining({ code: 'artifact.digest' }),
    );
    const bytes = file.slice();
    const payload = new PayloadStore(bytes, sha256Hex(bytes), new Map([['image:0', bytes]]));
    expect(payload.read('image:0', 4000, 200)).toEqual(file.slice(4000, 4200));
    expect(payload.read(undefined, 9990, 200)).toHaveLength(10);
    bytes[5000]! ^= 1;
    expect(payload.read('image:0', 0, 4096)).toHaveLength(4096);
    const { driver, link, times } = setUp({ payload });
    const inputs = await driver.run(
      session([{ kind: 'read', source: 'image:0', offset: 4096, length: 10, withinMs: 10 }]),
      times,
    );
    expect(kinds(inputs)).toEqual(['failed artifact.digest']);
    expect(link.writes).toEqual([]);
  });
});
