/**
 * The vendor's tool of a story: knows nothing of Drydock, only a TCP port behind which a module in DFU mode is, and says to
 * the simulated module what that understands.
 */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import {
  BcspEngine,
  createCsrDfu,
  csrPayloads,
  describeArtifact,
  referenceLoaderCodec,
  SERIAL_CHANNEL,
  type Channel,
  type LinkInfo,
  type OpenLink,
} from '@drydock/dfu-core';
import { NO_FENCES, PayloadStore, realClock, SessionDriver } from '@drydock/agent';

const REPEAT_MS = 300;
const OPEN_MS = 10_000;
const UPDATE_MS = 120_000;
const PATIENCE_MS = 1;

/** @returns a connection on which the module has answered. */
export function establishBcsp(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const engine = new BcspEngine();
    const socket = connect(port, '127.0.0.1');
    const say = (): void => engine.takeOutput().forEach((frame) => void socket.write(frame));
    const timer = setInterval(() => {
      engine.expire();
      say();
    }, REPEAT_MS);
    socket.on('close', () => clearInterval(timer));
    socket.on('error', reject);
    socket.on('connect', say);
    socket.on('data', (bytes: Buffer) => {
      const isUp = engine.push(bytes).some(({ kind }) => kind === 'link-up');
      say();
      if (isUp) resolve(socket);
    });
  });
}

/** A whole update, as far as a tool goes: the last block is taken, and the module is told to start. */
export async function updateAsVendorTool(
  port: number,
  file: Uint8Array,
): Promise<{ toDevice: number; imageSha256: string; ended: string }> {
  const artifact = describeArtifact(file);
  const protocol = createCsrDfu({ codec: { ...referenceLoaderCodec, provenance: 'capture' } });
  const link = new ToolLink(port);
  const driver = new SessionDriver({
    clock: realClock,
    link: { kind: 'serial', name: 'tool', open: () => link.connect() },
    fences: NO_FENCES,
    payload: new PayloadStore(file, artifact.sha256, csrPayloads(file)),
  });
  let ended: string;
  try {
    const outcome = await driver.run(
      (info) =>
        protocol.rescue(info, {
          artifact,
          allowDowngrade: false,
          confirm: 'after-proof',
          versionProves: true,
          returnWithinMs: PATIENCE_MS,
          linkOptions: { variant: 'standard' },
        }),
      { openMs: OPEN_MS, limitMs: UPDATE_MS },
    );
    ended = JSON.stringify(outcome);
  } finally {
    await driver.close();
  }
  const imageSha256 = createHash('sha256').update(csrPayloads(file).get('image:0')!).digest('hex');
  return { toDevice: link.sentBytes, imageSha256, ended };
}

/** Has no line: what is configured is the gateway's business. */
class ToolLink {
  sentBytes = 0;
  constructor(private readonly port: number) {}

  async connect(): Promise<OpenLink> {
    const socket = connect(this.port, '127.0.0.1');
    const frames: Uint8Array[] = [];
    let wake: () => void = () => undefined;
    socket.on('data', (bytes: Buffer) => {
      frames.push(new Uint8Array(bytes));
      wake();
    });
    socket.on('error', () => undefined);
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    const info: LinkInfo = {
      kind: 'serial',
      maxWriteBytes: 4096,
      channels: [SERIAL_CHANNEL],
      identity: { kind: 'port-path', value: 'tool' },
    };
    return {
      info,
      closed: new Promise((resolve) => socket.once('close', () => resolve())),
      send: (_: Channel, bytes: Uint8Array) =>
        new Promise((resolve) => {
          this.sentBytes += bytes.length;
          socket.write(bytes, () => resolve());
        }),
      subscribe: () => Promise.resolve(),
      query: () => Promise.reject(new Error('a port has nothing to be read')),
      configure: () => Promise.resolve(),
      receive: async (_, withinMs) => {
        if (frames.length === 0) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, withinMs);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
        const bytes = frames.shift();
        return bytes && { channel: SERIAL_CHANNEL, bytes };
      },
      close: () =>
        new Promise((resolve) => {
          socket.once('close', () => resolve());
          socket.destroy();
          if (socket.closed) resolve();
        }),
    };
  }
}
