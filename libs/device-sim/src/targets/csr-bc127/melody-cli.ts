/**
 * Melody's command line as a module shows it.
 *
 * Source: Melody 5.0 manual rev D, MelodyAudio 6 user guide r3, Melody Audio 7.x user guide r3.
 */
export interface MelodyHost {
  readonly name: string;
  readonly build: string | undefined;
  readonly address: string;
  readonly isMelody5: boolean;
  readonly eol: string;
  readonly chatty: boolean;
  readonly settings: Map<string, string>;
  readonly licences: Map<string, string>;
  readonly refuses: readonly string[];
  write(text: string): void;
  /** Stores what was set. */
  store(): void;
  reset(): void;
  restoreFactory(): void;
  dfu(): void;
}

export const FACTORY_SETTINGS: Readonly<Record<string, string>> = {
  AUTOCONN: '1',
  BT_VOL_CONFIG: 'B B 10 1',
  CMD_TO: '20',
  DEEP_SLEEP: 'OFF',
  DISCOVERABLE: '1 0',
  NAME: 'BC127',
  UART_CONFIG: '9600 OFF 0',
};
const MAX_COMMAND = 150;

export class MelodyCommandLine {
  readonly #host: MelodyHost;
  #typed = '';

  constructor(host: MelodyHost) {
    this.#host = host;
  }

  banner(): void {
    const { build } = this.#host;
    this.#lines(['Sierra Wireless Copyright 2018', this.#host.name]);
    if (build !== undefined && !this.#host.isMelody5) this.#lines([`Build: ${build}`]);
    this.#lines([this.#host.isMelody5 ? 'READY' : 'Ready']);
  }

  push(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte === 0x0d) {
        const command = this.#typed;
        this.#typed = '';
        this.#run(command);
      } else if (this.#typed.length <= MAX_COMMAND) this.#typed += String.fromCharCode(byte);
    }
  }

  #lines(lines: readonly string[]): void {
    this.#host.write(lines.map((line) => line + this.#host.eol).join(''));
  }

  #error(code: string): void {
    this.#lines([this.#host.isMelody5 ? 'ERROR' : `ERROR ${code}`]);
  }

  #run(command: string): void {
    const host = this.#host;
    if (command.length > MAX_COMMAND) return this.#error('0x0018');
    const [word = ''] = command.split(' ');
    const rest = command.slice(word.length + 1);
    const noise = host.chatty ? ['A2DP_STREAM_SUSPEND 11', 'LINK_LOSS 10 1'] : [];
    switch (word) {
      case 'VERSION':
        return this.#lines([
          'Sierra Wireless Copyright 2018',
          host.name,
          ...(host.build === undefined || host.isMelody5 ? [] : [`Build: ${host.build}`]),
          ...noise,
          `Bluetooth addresses: ${host.address} ${host.address.replace(/.$/, '0')}`,
          'Profiles: A2DP AVRCP BLE HFP SPP',
          'OK',
        ]);
      case 'CONFIG':
        return this.#lines([...[...host.settings].map(([name, value]) => `${name}=${value}`), ...noise, 'OK']);
      case 'LICENSE':
        if (rest === '') return this.#lines([...[...host.licences].map(([name, value]) => `${name}=${value}`), 'OK']);
        return this.#assign(rest, host.licences, true);
      case 'GET': {
        const value = host.settings.get(rest);
        return value === undefined ? this.#error('0x001A') : this.#lines([`${rest}=${value}`, 'OK']);
      }
      case 'SET':
        return this.#assign(rest, host.settings, false);
      case 'WRITE':
        host.store();
        return this.#lines(['OK']);
      case 'RESET':
        return host.reset();
      case 'RESTORE':
        return host.restoreFactory();
      case 'DFU':
        return host.dfu();
      default:
        return this.#error('0x0012');
    }
  }

  #assign(text: string, into: Map<string, string>, mayAdd: boolean): void {
    const at = text.indexOf('=');
    const name = text.slice(0, Math.max(0, at));
    if (at < 1) return this.#error('0x0013');
    if (!mayAdd && !into.has(name)) return this.#error('0x001A');
    if (this.#host.refuses.includes(name)) return this.#error('0x0011');
    into.set(name, text.slice(at + 1));
    this.#lines(['OK']);
  }
}
