/** Frames of an open link between their arrival and the session's `await`: in order, bounded, one reader. */
import { LinkError, type Channel } from '@drydock/dfu-core';
import { realClock, type Clock } from '../clock.js';

export interface QueuedFrame {
  readonly channel: Channel;
  readonly bytes: Uint8Array;
}

/** More than a device can have to say before anybody listens; then the oldest are dropped and the session asks again. */
const MAX_QUEUED_BYTES = 256 * 1024;

export class FrameQueue {
  readonly #frames: QueuedFrame[] = [];
  #bytes = 0;
  #closed: string | undefined;
  #waiter:
    | {
        channels: readonly Channel[];
        resolve: (frame: QueuedFrame | undefined) => void;
        reject: (error: Error) => void;
      }
    | undefined;

  constructor(private readonly clock: Pick<Clock, 'after'> = realClock) {}

  push(frame: QueuedFrame): void {
    if (this.#closed !== undefined) return;
    if (this.#waiter?.channels.includes(frame.channel)) {
      const { resolve } = this.#waiter;
      this.#waiter = undefined;
      resolve(frame);
      return;
    }
    this.#frames.push(frame);
    this.#bytes += frame.bytes.length;
    while (this.#bytes > MAX_QUEUED_BYTES && this.#frames.length > 1) this.#bytes -= this.#frames.shift()!.bytes.length;
  }

  /** The link is gone: what has arrived can still be read, then readers get `link.lost`. */
  close(detail: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = detail;
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.reject(new LinkError('link.lost', { detail }));
  }

  /** Drops what has arrived so far. */
  clear(): void {
    this.#frames.length = 0;
    this.#bytes = 0;
  }

  /** @returns the next frame of one of the channels; undefined when none came in time. @throws LinkError */
  receive(channels: readonly Channel[], withinMs: number): Promise<QueuedFrame | undefined> {
    const index = this.#frames.findIndex((frame) => channels.includes(frame.channel));
    if (index >= 0) {
      const [frame] = this.#frames.splice(index, 1);
      this.#bytes -= frame!.bytes.length;
      return Promise.resolve(frame);
    }
    if (this.#closed !== undefined) return Promise.reject(new LinkError('link.lost', { detail: this.#closed }));
    if (this.#waiter) {
      return Promise.reject(new LinkError('internal.invariant', { detail: 'two readers on one link' }));
    }
    return new Promise((resolve, reject) => {
      const callOff = this.clock.after(withinMs, () => {
        this.#waiter = undefined;
        resolve(undefined);
      });
      this.#waiter = {
        channels,
        resolve: (frame) => {
          callOff();
          resolve(frame);
        },
        reject: (error) => {
          callOff();
          reject(error);
        },
      };
    });
  }
}
