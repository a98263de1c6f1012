/** The relay alone, between real WebSockets of this machine. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { RawPortWord } from '@drydock/contracts';
import { WebSocket, WebSocketServer } from 'ws';
import { Relay, type RelayOptions } from './relay.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface Far {
  readonly socket: WebSocket;
  readonly words: RawPortWord[];
  bytes(): Buffer;
}

/** Both ends as people have them, and the relay between. */
async function between(options: Partial<RelayOptions> = {}): Promise<{ tool: Far; agent: Far; relay: Relay }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const far = async (): Promise<{ near: WebSocket; far: Far }> => {
    const accepted = once(server, 'connection') as Promise<[WebSocket]>;
    const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const pieces: Buffer[] = [];
    const words: RawPortWord[] = [];
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) pieces.push(data);
      else words.push(JSON.parse(data.toString('utf8')) as RawPortWord);
    });
    const [near] = await accepted;
    await (socket.readyState === WebSocket.OPEN || once(socket, 'open'));
    return { near, far: { socket, words, bytes: () => Buffer.concat(pieces) } };
  };
  const tool = await far();
  const agent = await far();
  const relay = new Relay(tool.near, agent.near, { limitMs: 60_000, ...options });
  closing.push(() => {
    relay.end('stopped');
    tool.far.socket.terminate();
    agent.far.socket.terminate();
    return new Promise((resolve) => server.close(resolve));
  });
  return { tool: tool.far, agent: agent.far, relay };
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('it did not come to pass');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a relay', () => {
  it('carries bytes both ways as they are, counts them, and says so to both when one hangs up', async () => {
    const { tool, agent, relay } = await between();
    const all = Buffer.from(Array.from({ length: 1024 }, (_, at) => at & 0xff));
    tool.socket.send(all);
    agent.socket.send(all.subarray(0, 7));
    await until(() => agent.bytes().length === 1024 && tool.bytes().length === 7);
    expect(agent.bytes()).toEqual(all);
    tool.socket.close();
    await expect(relay.ended).resolves.toEqual({ by: 'tool', toDevice: 1024, toTool: 7 });
    await until(() => agent.words.some(({ say }) => say === 'ended'));
    expect(agent.words.at(-1)).toEqual({ say: 'ended', by: 'tool', toDevice: 1024, toTool: 7 });
  });

  it('hands on only the words that an end may say', async () => {
    const { tool, agent } = await between();
    const line = { baud: 9600, dataBits: 8, parity: 'none', stopBits: 1 };
    tool.socket.send(JSON.stringify({ say: 'ended', by: 'time', toDevice: 0, toTool: 0 }));
    tool.socket.send(JSON.stringify({ say: 'open', line }));
    tool.socket.send('no word at all');
    tool.socket.send(JSON.stringify({ say: 'line', line }));
    await until(() => agent.words.length > 0);
    expect(agent.words).toEqual([{ say: 'line', line }]);
    agent.socket.send(JSON.stringify({ say: 'joined', gateway: 'x', withinMs: 1 }));
    agent.socket.send(JSON.stringify({ say: 'line-set', line }));
    await until(() => tool.words.length > 0);
    expect(tool.words).toEqual([{ say: 'line-set', line }]);
  });

  it.each([
    ['at its time', { limitMs: 50 }, 'time'],
    ['when nothing moves', { idleMs: 50 }, 'idle'],
  ] as const)('ends %s', async (_, options, by) => {
    const { tool, relay } = await between(options);
    await expect(relay.ended).resolves.toMatchObject({ by });
    await until(() => tool.socket.readyState === WebSocket.CLOSED);
    expect(tool.words.at(-1)).toMatchObject({ say: 'ended', by });
  });

  it('ends when more comes than a file could be', async () => {
    const { tool, relay } = await between({ maxBytes: 1000 });
    tool.socket.send(Buffer.alloc(1001));
    await expect(relay.ended).resolves.toMatchObject({ by: 'too-much' });
  });

  it('ends when the agent is gone', async () => {
    const { agent, relay } = await between();
    agent.socket.terminate();
    await expect(relay.ended).resolves.toMatchObject({ by: 'agent' });
  });

  it('keeps to its rate, and loses nothing by it', async () => {
    const { tool, agent } = await between({ maxBytesPerSecond: 1_000_000 });
    const began = performance.now();
    const sent = Buffer.alloc(16_000, 7);
    for (let at = 0; at < 100; at++) tool.socket.send(sent);
    await until(() => agent.bytes().length === 100 * sent.length);
    // 1.6 MB, of which a quarter of a second's worth, and what one read of the socket brings, may come at once.
    expect(performance.now() - began).toBeGreaterThan(1_000);
  });

  it('makes the quick end wait for a slow one, with bounded memory', async () => {
    const { tool, agent, relay } = await between({ maxBytesPerSecond: 1e9 });
    agent.socket.pause();
    const piece = Buffer.alloc(16_000, 1);
    for (let at = 0; at < 1500; at++) tool.socket.send(piece);
    await until(() => tool.socket.bufferedAmount > 0);
    agent.socket.resume();
    await until(() => agent.bytes().length === 1500 * piece.length);
    tool.socket.close();
    await expect(relay.ended).resolves.toMatchObject({ toDevice: 1500 * piece.length });
  }, 60_000);
});
