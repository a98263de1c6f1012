/**
 * Links as people spell them:
 * - `serial:/dev/ttyUSB0?baud=115200&framing=console` (also `dataBits`, `parity`, `stopBits`, `rtscts`, `dtr`, `rts`)
 * - `ble:AA:BB:CC:DD:EE:FF?type=random`
 * - `udp:192.0.2.7:1337`, `udp:[2001:db8::7]:1337`
 *
 * `hwVersion=52`, `softDevice=0x0101`, `deviceType=82` and `deviceRevision=52840` (serial, ble) state what a unit with a
 * Nordic bootloader cannot say of itself, so that a file for another one is refused before the unit is touched.
 *
 * Silicon Labs: `generation`, `framing`, `bootbaud`, `bootframing`, `application` on a UART, `writes` and `apploader`
 * over BLE; see docs/protocols/silabs.md.
 *
 * `identity=node-name` says that units of this kind each have a host name of their own, which then ties the unit;
 * otherwise the link itself does. `via=recovery` updates through the bootloader's serial recovery; `reset=force` resets
 * also an application that keeps saying that it is busy. `entry=touch`: a board that enters its
 * bootloader when its port is opened at 1200 baud.
 *
 * `variant=hd` or `variant=standard` states which BC127 it is; `loader=simulated` is for simulated ones alone.
 */
import { DrydockError, type LineSettings, type LinkKind } from '@drydock/dfu-core';

export type ParsedLink =
  | {
      readonly kind: 'serial';
      readonly name: string;
      readonly path: string;
      readonly line: LineSettings | undefined;
      /** Levels of the modem lines after opening; left as they are when absent. */
      readonly dtr: boolean | undefined;
      readonly rts: boolean | undefined;
      readonly options: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'ble';
      readonly name: string;
      /** `aa:bb:cc:dd:ee:ff` */
      readonly address: string;
      readonly addressType: 'public' | 'random' | undefined;
      readonly options: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'udp';
      readonly name: string;
      readonly host: string;
      readonly port: number;
      readonly options: Readonly<Record<string, string>>;
    }
  /** `agent:self`: the agent, where it can be upgraded. */
  | { readonly kind: 'agent'; readonly name: string; readonly options: Readonly<Record<string, string>> };

/** What people know of a unit and it cannot say: compared with the file before the unit is touched. */
const STATED_HARDWARE = ['hwVersion', 'softDevice', 'deviceType', 'deviceRevision'] as const;

const OPTIONS: Readonly<Record<LinkKind, readonly string[]>> = {
  serial: [
    'baud',
    'framing',
    'dataBits',
    'parity',
    'stopBits',
    'rtscts',
    'dtr',
    'rts',
    'identity',
    'entry',
    'via',
    'reset',
    'generation',
    'bootbaud',
    'bootframing',
    'application',
    'variant',
    'loader',
    ...STATED_HARDWARE,
  ],
  ble: ['type', 'identity', 'reset', 'apploader', 'writes', ...STATED_HARDWARE],
  udp: ['framing', 'identity', 'reset'],
  agent: [],
};

const MAX_NAME = 256;

/** @throws DrydockError `request.invalid` with the name and what is wrong in it. */
export function parseLinkName(name: string): ParsedLink {
  const refuse = (detail: string): never => {
    throw new DrydockError('request.invalid', { detail: `link ${JSON.stringify(name.slice(0, MAX_NAME))}: ${detail}` });
  };
  if (name === 'agent:self') return { kind: 'agent', name, options: {} };
  if (name.length > MAX_NAME) refuse(`longer than ${MAX_NAME} characters`);
  const match = /^(ble|serial|udp):([^?\s]+)(?:\?(\S*))?$/.exec(name);
  if (!match) {
    return refuse('expected serial:PATH?baud=N, ble:AA:BB:CC:DD:EE:FF?type=random or udp:HOST:PORT');
  }
  const kind = match[1] as LinkKind;
  const target = match[2]!;
  const options: Record<string, string> = {};
  for (const part of (match[3] ?? '').split('&').filter(Boolean)) {
    const [key = '', value] = part.split('=', 2);
    if (!OPTIONS[kind].includes(key)) refuse(`unknown option ${key}; known: ${OPTIONS[kind].join(', ')}`);
    if (value === undefined || value === '') refuse(`option ${key} has no value`);
    if (Object.hasOwn(options, key)) refuse(`option ${key} is given twice`);
    options[key] = value!;
  }
  const oneOf = <T extends string>(key: string, allowed: readonly T[]): T | undefined => {
    const value = options[key];
    if (value === undefined) return undefined;
    return allowed.includes(value as T) ? (value as T) : refuse(`${key}=${value}: one of ${allowed.join(', ')}`);
  };
  const flag = (key: string): boolean | undefined => {
    const value = oneOf(key, ['0', '1', 'on', 'off', 'true', 'false']);
    return value === undefined ? undefined : ['1', 'on', 'true'].includes(value);
  };
  oneOf('framing', kind === 'serial' ? ['console', 'raw', 'plain', 'packet', 'robust'] : ['console', 'raw']);
  oneOf('generation', ['efr32', 'bt12x', 'ble11x']);
  oneOf('bootframing', ['plain', 'packet']);
  oneOf('application', ['bgapi']);
  oneOf('writes', ['windowed', 'acknowledged']);
  const { apploader, bootbaud } = options;
  if (apploader !== undefined && !/^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(apploader)) {
    refuse('apploader must look like AA:BB:CC:DD:EE:FF');
  }
  if (bootbaud !== undefined && !(Number.isInteger(Number(bootbaud)) && Number(bootbaud) >= 50)) {
    refuse(`bootbaud=${bootbaud} is no baud rate`);
  }
  oneOf('identity', ['link', 'node-name']);
  oneOf('via', ['application', 'recovery']);
  oneOf('reset', ['ask', 'force']);
  oneOf('entry', ['touch']);
  oneOf('variant', ['hd', 'standard']);
  oneOf('loader', ['simulated']);

  if (kind === 'serial') {
    const dataBits = oneOf('dataBits', ['7', '8']);
    const stopBits = oneOf('stopBits', ['1', '2']);
    const parity = oneOf('parity', ['none', 'even', 'odd']);
    const rtscts = flag('rtscts');
    let line: LineSettings | undefined;
    if (options['baud'] !== undefined) {
      const baud = Number(options['baud']);
      if (!Number.isInteger(baud) || baud < 50 || baud > 12_000_000) refuse(`baud=${options['baud']} is no baud rate`);
      line = {
        baud,
        ...(dataBits && { dataBits: Number(dataBits) as 7 | 8 }),
        ...(parity && { parity }),
        ...(stopBits && { stopBits: Number(stopBits) as 1 | 2 }),
        ...(rtscts !== undefined && { rtscts }),
      };
    } else if (dataBits ?? parity ?? stopBits ?? options['rtscts']) {
      refuse('line settings need baud as well');
    }
    return { kind, name, path: target, line, dtr: flag('dtr'), rts: flag('rts'), options };
  }
  if (kind === 'ble') {
    if (!/^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(target)) refuse('the address must look like AA:BB:CC:DD:EE:FF');
    return { kind, name, address: target.toLowerCase(), addressType: oneOf('type', ['public', 'random']), options };
  }
  const endpoint = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(target);
  const port = Number(endpoint?.[3]);
  if (!endpoint || port < 1 || port > 65_535) return refuse('expected HOST:PORT, with the port from 1 to 65535');
  return { kind, name, host: (endpoint[1] ?? endpoint[2])!, port, options };
}

/**
 * What two links must not share at the same time: the port, the endpoint, the unit's address.
 * @returns the same text for different spellings of the same place.
 */
export function linkLane(name: string): string {
  const link = parseLinkName(name);
  switch (link.kind) {
    case 'serial':
      return `serial:${link.path}`;
    case 'ble':
      return `ble:${link.address}`;
    case 'udp':
      return `udp:${link.host.toLowerCase()}:${link.port}`;
    case 'agent':
      return link.name;
  }
}
