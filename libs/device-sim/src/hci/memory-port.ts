/** A simulated controller as a byte port in the same process, without a socket between. */
import type { SimulatedController } from './simulated-controller.js';

export interface MemoryPort {
  write(bytes: Uint8Array): void;
  onData(listener: (bytes: Buffer) => void): void;
  onClose(listener: (detail: string) => void): void;
  close(): Promise<void>;
  /** The port goes away, as an unplugged adapter does. */
  fail(detail: string): void;
}

export function memoryPort(controller: SimulatedController): MemoryPort {
  let onData: ((bytes: Buffer) => void) | undefined;
  let onClose: ((detail: string) => void) | undefined;
  let open = true;
  const relay = (packet: Buffer): void => onData?.(packet);
  controller.on('data', relay);
  const end = (detail: string): void => {
    if (!open) return;
    open = false;
    controller.off('data', relay);
    onClose?.(detail);
  };
  return {
    write: (bytes) => {
      if (open) controller.write(bytes);
    },
    onData: (listener) => {
      onData = listener;
    },
    onClose: (listener) => {
      onClose = listener;
    },
    close: async () => end('closed'),
    fail: end,
  };
}
