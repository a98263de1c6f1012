/** The link to the agent itself: answers the session that upgrades it, in this process. */
import {
  AGENT_CHANNEL,
  dataOf,
  DrydockError,
  LinkError,
  type AgentAnswer,
  type AgentRequest,
  type AgentWho,
  type Link,
  type LinkInfo,
  type OpenLink,
  type ReconnectHint,
} from '@drydock/dfu-core';
import { z } from 'zod';
import { FrameQueue } from '../links/frame-queue.js';

/** How the agent appears in its own site. */
export const SELF_LINK = 'agent:self';
const MAX_WRITE_BYTES = 64 * 1024 + 1;

const Request = z.discriminatedUnion('ask', [
  z.object({ ask: z.literal('who') }),
  z.object({ ask: z.literal('stage'), sha256: z.string().regex(/^[0-9a-f]{64}$/), sizeBytes: z.int().positive() }),
  z.object({ ask: z.literal('check') }),
  z.object({ ask: z.literal('activate'), withinMs: z.number().positive() }),
  z.object({ ask: z.literal('fall-back'), why: z.string().max(512) }),
]);

export interface SelfActions {
  who(): AgentWho;
  stage(sha256: string, sizeBytes: number): Promise<void>;
  write(bytes: Uint8Array): Promise<void>;
  check(): Promise<void>;
  activate(withinMs: number): void;
  fallBack(why: string): void;
}

export class SelfLink implements Link {
  readonly kind = 'agent';
  readonly name = SELF_LINK;

  constructor(private readonly actions: SelfActions) {}

  open(_hint: ReconnectHint, _withinMs: number): Promise<OpenLink> {
    const queue = new FrameQueue();
    let end: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => (end = resolve));
    const info: LinkInfo = {
      kind: 'agent',
      maxWriteBytes: MAX_WRITE_BYTES,
      channels: [AGENT_CHANNEL],
      identity: { kind: 'serial-number', value: this.actions.who().gateway },
    };
    return Promise.resolve({
      info,
      closed,
      send: async (_channel, bytes) => {
        const data = dataOf(bytes);
        if (data) return this.actions.write(data);
        const answer = await this.#answer(bytes);
        queue.push({ channel: AGENT_CHANNEL, bytes: new TextEncoder().encode(JSON.stringify(answer)) });
      },
      subscribe: () => Promise.resolve(),
      query: (channel) => Promise.reject(new LinkError('link.no-such-channel', { channel })),
      configure: () => Promise.resolve(),
      receive: (channels, withinMs) => queue.receive(channels, withinMs),
      close: () => {
        queue.close('closed');
        end();
        return Promise.resolve();
      },
    });
  }

  async #answer(frame: Uint8Array): Promise<AgentAnswer> {
    try {
      return await this.#perform(Request.parse(JSON.parse(new TextDecoder().decode(frame))));
    } catch (error) {
      if (!(error instanceof DrydockError)) {
        return { ok: false, code: 'internal.invariant', detail: (error as Error).message };
      }
      return { ok: false, code: error.code, detail: String(Object.values(error.params)[0] ?? error.message) };
    }
  }

  async #perform(request: AgentRequest): Promise<AgentAnswer> {
    switch (request.ask) {
      case 'who':
        return { ok: true, who: this.actions.who() };
      case 'stage':
        await this.actions.stage(request.sha256, request.sizeBytes);
        return { ok: true };
      case 'check':
        await this.actions.check();
        return { ok: true };
      case 'activate':
        this.actions.activate(request.withinMs);
        return { ok: true };
      case 'fall-back':
        this.actions.fallBack(request.why);
        return { ok: true };
    }
  }
}
