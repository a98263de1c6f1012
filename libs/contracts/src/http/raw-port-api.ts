/**
 * Raw port: the bytes of one serial port between a vendor's tool and a module behind a gateway, over WebSocket.
 *
 * The tool's side joins at `rawPortToolPath` with a personal token (role admin), the agent at `rawPortAgentPath` with its
 * login token, once the order grants it. Binary messages are bytes of the port; text messages are words, each a JSON object
 * with a `say`. A word that a reader does not know is ignored.
 */
import { z } from 'zod';
import type { AttemptRef } from '../wire/envelope.js';

/** What an agent names among the protocols of its presence when its site file opens a port. */
export const RAW_PORT_CAPABILITY = 'raw-port';
export const MAX_RAW_PORT_MINUTES = 60;
/** Largest message of either kind. */
export const MAX_RAW_PORT_MESSAGE_BYTES = 16 * 1024;
/** Without a byte of the port in either direction for this long a session ends. */
export const RAW_PORT_IDLE_MS = 300_000;

/** Below the server's address. */
export const rawPortToolPath = (deployment: string): string => `api/v1/raw-port/${deployment}`;
export const rawPortAgentPath = (ref: AttemptRef): string =>
  `agent/v1/raw-port/${ref.deployment}/${ref.reign}/${ref.attempt}`;

/** @returns whose end of which attempt a path asks for; undefined when it is none of these. */
export function parseRawPortPath(
  path: string,
): { end: 'tool'; deployment: string } | { end: 'agent'; ref: AttemptRef } | undefined {
  const tool = /^\/api\/v1\/raw-port\/([0-9a-f-]{36})$/.exec(path);
  if (tool) return { end: 'tool', deployment: tool[1]! };
  const agent = /^\/agent\/v1\/raw-port\/([0-9a-f-]{36})\/(\d{1,15})\/(\d{1,9})$/.exec(path);
  if (!agent) return undefined;
  return {
    end: 'agent',
    ref: { deployment: agent[1] as AttemptRef['deployment'], reign: Number(agent[2]), attempt: Number(agent[3]) },
  };
}

export const RawPortLine = z.object({
  baud: z.int().min(1200).max(4_000_000),
  dataBits: z.union([z.literal(7), z.literal(8)]).default(8),
  parity: z.enum(['none', 'even', 'odd']).default('none'),
  stopBits: z.union([z.literal(1), z.literal(2)]).default(1),
});
export type RawPortLine = z.infer<typeof RawPortLine>;

/** `withdrawn`: the campaign, the grant, or the right of the person ended. */
export const RAW_PORT_ENDS = ['tool', 'agent', 'time', 'idle', 'withdrawn', 'stopped', 'too-much'] as const;
export type RawPortEnd = (typeof RAW_PORT_ENDS)[number];

export const RawPortWord = z.discriminatedUnion('say', [
  /** Server to tool: joined, and the gateway is waited for. */
  z.object({ say: z.literal('waiting') }),
  /** Server to both: the other end is there; all is over after `withinMs` at the latest. */
  z.object({ say: z.literal('joined'), gateway: z.string().max(128), withinMs: z.int().min(0) }),
  /** Agent to tool: the module is in DFU mode, and the port works with these settings. */
  z.object({ say: z.literal('open'), line: RawPortLine }),
  /** Tool to agent: change the settings. */
  z.object({ say: z.literal('line'), line: RawPortLine }),
  /** Agent to tool: they are changed; bytes that follow came with them. */
  z.object({ say: z.literal('line-set'), line: RawPortLine }),
  /** Server to both, last. */
  z.object({
    say: z.literal('ended'),
    by: z.enum(RAW_PORT_ENDS),
    toDevice: z.int().min(0),
    toTool: z.int().min(0),
  }),
]);
export type RawPortWord = z.infer<typeof RawPortWord>;

/** @returns undefined for anything that is no word. */
export function readRawPortWord(text: string): RawPortWord | undefined {
  try {
    const parsed = RawPortWord.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
