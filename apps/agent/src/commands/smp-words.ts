/** The words of `drydock-agent smp`, as requests. Types only from elsewhere, so that it costs nothing at start. */
import type { SmpCommand } from '@drydock/dfu-core';

export interface DeviceCommandOptions {
  readonly link: string;
  readonly force?: boolean;
  readonly bootMode?: string;
  readonly adapter?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

const HASH = /^(?:[0-9a-f]{2}){32,64}$/i;
const hashBytes = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const isNumber = (text: string | undefined): boolean => text === undefined || /^\d{1,3}$/.test(text);

/** @returns the request, or what is wrong with the words. */
export function parseDeviceCommand(
  word: string,
  value: string | undefined,
  { force, bootMode }: Pick<DeviceCommandOptions, 'force' | 'bootMode'>,
): SmpCommand | string {
  switch (word) {
    case 'params':
    case 'list':
      return { kind: word };
    case 'slots':
      return { kind: 'slot-info' };
    case 'echo':
      return { kind: 'echo', text: value ?? '' };
    case 'info':
      return { kind: 'os-info', format: value ?? 'a' };
    case 'bootloader':
      return { kind: 'bootloader-info', ...(value !== undefined && { query: value }) };
    case 'time':
      return value === undefined ? { kind: 'datetime' } : { kind: 'set-datetime', text: value };
    case 'test':
      return value !== undefined && HASH.test(value)
        ? { kind: 'set-state', hash: hashBytes(value), confirm: false }
        : 'test: the hash of an image, as list tells it';
    case 'confirm':
      if (value !== undefined && !HASH.test(value)) return 'confirm: the hash of an image, or nothing for what runs';
      return { kind: 'set-state', confirm: true, ...(value !== undefined && { hash: hashBytes(value) }) };
    case 'erase':
      if (!isNumber(value)) return 'erase: the number of a slot, or nothing for the free one';
      return { kind: 'erase', ...(value !== undefined && { slot: Number(value) }) };
    case 'reset':
      if (!isNumber(bootMode)) return '--boot-mode: a number';
      return { kind: 'reset', ...(force && { force }), ...(bootMode !== undefined && { bootMode: Number(bootMode) }) };
    default:
      return `${word} is no command; known: echo, params, info, bootloader, time, list, slots, test, confirm, erase, reset`;
  }
}
