/** How people name Bluetooth adapters and devices. */
import { DrydockError } from '@drydock/dfu-core';
import { parseLinkName } from '../parse-link.js';

export type AdapterName =
  | { readonly kind: 'kernel'; readonly index: number }
  | { readonly kind: 'h4-serial'; readonly path: string; readonly baud: number }
  | { readonly kind: 'h4-tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'h4-unix'; readonly path: string };

/** The baud rate Zephyr's `hci_uart` sample and most HCI firmware use. */
const DEFAULT_BAUD = 1_000_000;

/**
 * `hci0` | `h4:serial:PATH[,BAUD]` | `h4:tcp:HOST:PORT` | `h4:unix:PATH`.
 * @throws DrydockError `settings.invalid` with what is wrong.
 */
export function parseAdapterName(text: string): AdapterName {
  const invalid = (detail: string): DrydockError =>
    new DrydockError('settings.invalid', { field: 'adapter', detail: `${detail} in "${text.slice(0, 80)}"` });

  const kernel = /^hci(\d{1,3})$/.exec(text);
  if (kernel) return { kind: 'kernel', index: Number(kernel[1]) };

  const h4 = /^h4:(serial|tcp|unix):(.+)$/.exec(text);
  const rest = h4?.[2];
  if (!h4 || rest === undefined) {
    throw invalid('expected hci0, h4:serial:PATH,BAUD, h4:tcp:HOST:PORT or h4:unix:PATH');
  }
  if (h4[1] === 'unix') return { kind: 'h4-unix', path: rest };
  if (h4[1] === 'tcp') {
    const tcp = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(rest);
    const port = Number(tcp?.[2]);
    if (tcp?.[1] === undefined || !(port >= 1 && port <= 65535)) throw invalid('expected HOST:PORT');
    return { kind: 'h4-tcp', host: tcp[1], port };
  }
  const serial = /^([^,]+)(?:,(\d{1,8}))?$/.exec(rest);
  if (serial?.[1] === undefined) throw invalid('expected PATH,BAUD');
  const baud = serial[2] === undefined ? DEFAULT_BAUD : Number(serial[2]);
  if (baud < 1200) throw invalid('the baud rate is too small');
  return { kind: 'h4-serial', path: serial[1], baud };
}

export interface BleLinkName {
  /** `aa:bb:cc:dd:ee:ff`, lower case. */
  readonly address: string;
  /** Absent: whatever the device advertises. */
  readonly addressType: 'public' | 'random' | undefined;
}

/**
 * `ble:AA:BB:CC:DD:EE:FF[?type=random|public]`.
 * @throws DrydockError `request.invalid` with what is wrong.
 */
export function parseBleLinkName(text: string): BleLinkName {
  const parsed = parseLinkName(text);
  if (parsed.kind !== 'ble') throw new DrydockError('request.invalid', { detail: `${text} is no Bluetooth link` });
  return { address: parsed.address, addressType: parsed.addressType };
}

/** The spelling `parseBleLinkName` takes. */
export function formatBleLinkName({ address, addressType }: BleLinkName): string {
  return `ble:${address.toUpperCase()}${addressType === undefined ? '' : `?type=${addressType}`}`;
}
