/** The simulated units by themselves, against bytes that were worked out from the vendor's sources. */
import { describe, expect, it } from '@jest/globals';
import { encodeAdvertisingData } from '../../hci/advertising-data.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import { SilabsOtaUuid } from './ota-gatt.js';
import type { SilabsOptions } from './options.js';
import { createSilabsDevice, type SilabsDevice } from './silabs-device.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** Smallest GBL file; the same with a flipped bit in its CRC. */
const SMALLEST = hex('eb17a60308000000000000030000 0000fc0404fc04000000e94c9ae0');
const BROKEN = hex('eb17a60308000000000000030000 0000fc0404fc04000000e94c9ae1');
/** Application info and 00..0f at 0x4000. */
const PLAIN = hex(
  'eb17a6030800000000000003000000 00f40a0af41c000000200000000300020100000000000102030405060708090a0b0c0d0e0f' +
    'fd0303fd1400000000400000000102030405060708090a0b0c0d0e0ffc0404fc04000000cbc463ae',
);

interface Bench {
  readonly scheduler: VirtualScheduler;
  readonly device: SilabsDevice;
  /** Hex of what was said since the last call. */
  said(): string;
  tell(text: string, waitMs?: number): string;
}

function bench(options: Partial<SilabsOptions> & Pick<SilabsOptions, 'access'>): Bench {
  const scheduler = new VirtualScheduler();
  const device = createSilabsDevice({ scheduler, ...options });
  let heard = '';
  device.serial?.attach((bytes) => (heard += Buffer.from(bytes).toString('hex')));
  const said = (): string => {
    const text = heard;
    heard = '';
    return text;
  };
  return {
    scheduler,
    device,
    said,
    tell: (text, waitMs = 100) => {
      device.serial?.onBytes(hex(text));
      scheduler.advance(waitMs);
      return said();
    },
  };
}

describe('BGAPI bootloader 2.x', () => {
  const loader = (options: Partial<SilabsOptions> = {}): Bench => {
    const made = bench({ access: 'bgapi', ...options });
    // Starts anew, so that its first words are heard.
    made.tell('20 01 01 01 01', 500);
    return made;
  };
  const restart = (made: Bench): string => made.tell('20 01 01 01 01', 500);

  it('says what is missing, then its version', () => {
    expect(restart(loader())).toBe('a00200014600a004000001000402');
  });

  it('answers set address, uploads and the end; a wrong file once, and again at the end', () => {
    const made = loader();
    expect(made.tell('20 04 00 01 00 00 00 00')).toBe('200200010000');
    const upload = (file: Buffer): string =>
      made.tell(`20 ${(file.length + 1).toString(16)} 00 02 ${file.length.toString(16)} ${file.toString('hex')}`);
    expect(upload(BROKEN)).toBe('200200024600');
    expect(upload(SMALLEST)).toBe('200200020000');
    expect(made.tell('20 00 00 03')).toBe('200200034600');
    restart(made);
    expect(upload(SMALLEST)).toBe('200200020000');
    expect(made.tell('20 00 00 03')).toBe('200200030000');
  });

  it('drops what it does not know, and half packets after their time', () => {
    const made = loader();
    expect(made.tell('20 00 01 00 20 00 ff 02 20 01 00 00 01 00 ff 5a', 50)).toBe('');
    expect(made.tell('20 04', 1100)).toBe('');
    expect(made.tell('20 04 00 01 00 00', 3100)).toBe('');
    expect(made.tell('20 04 00 01 00 00 00 00')).toBe('200200010000');
  });

  it('holds the vectors back until the verdict', () => {
    const made = loader();
    const image = made.device.unit.memory.bytes('application');
    made.tell(`20 51 00 02 50 ${PLAIN.subarray(0, 80).toString('hex')}`);
    expect(Buffer.from(image.subarray(0, 16)).toString('hex')).toBe('00010203ffffffffffffffffffffffff');
    made.tell(`20 0d 00 02 0c ${PLAIN.subarray(80).toString('hex')}`);
    expect(Buffer.from(image.subarray(0, 16)).toString('hex')).toBe('000102030405060708090a0b0c0d0e0f');
    expect(made.device.flash.runningImageSha256()).toBeDefined();
  });

  it('the one of the Simplicity SDK knows system_reboot, older ones do not', () => {
    expect(loader().tell('20 00 01 1f', 500)).toBe('');
    expect(loader({ generation: 'sisdk' }).tell('20 00 01 1f', 500)).not.toBe('');
  });
});

describe('other BGAPI bootloaders', () => {
  it('1.x: dfu_reset, its own code, no more than 128 bytes', () => {
    const made = bench({ access: 'bgapi', generation: 'gecko-1' });
    expect(made.tell('20 01 00 00 01', 500)).toBe('a0020001030ba004000000000001');
    expect(made.tell('20 01 01 01 01', 500)).toBe('');
    // A longer upload runs over the buffer: it starts anew.
    expect(made.tell(`20 85 00 02 84 ${'00'.repeat(132)}`, 500)).toContain('a0040000');
  });

  it('BLE11x: class 9, address 0x1000, powers of two', () => {
    const made = bench({ access: 'bgapi', generation: 'ble11x' });
    expect(made.tell('00 01 09 00 01', 500)).toBe('8004090001000000');
    expect(made.tell('00 04 09 01 00 10 00 00')).toBe('000209010000');
    expect(made.tell('00 05 09 02 04 de ad be ef')).toBe('000209020000');
    expect(made.tell('00 04 09 02 03 01 02 03')).toBe('000209028001');
    expect(made.tell('00 00 09 03')).toBe('000209030000');
  });
});

describe('the menu', () => {
  const MENU =
    '0d0a4765636b6f20426f6f746c6f616465722076322e30342e30310d0a312e2075706c6f61642067626c0d0a322e2072756e0d0a' +
    '332e2065626c20696e666f0d0a424c203e2000';

  it('is printed at any byte, with its NUL', () => {
    expect(bench({ access: 'xmodem' }).tell('33')).toBe(MENU);
  });

  it('asks for blocks once a second, sixty times', () => {
    const made = bench({ access: 'xmodem' });
    expect(made.tell('31', 3500)).toBe(`${hex('0d0a').toString('hex')}626567696e2075706c6f61640d0a0043434343`);
    made.scheduler.advance(60_000);
    const rest = made.said();
    expect(rest).toContain('181818');
    expect(rest.endsWith(MENU)).toBe(true);
  });

  it('acknowledges a second copy, and a block after the end is an error 4F', () => {
    const made = bench({ access: 'xmodem' });
    made.tell('31', 50);
    const data = Buffer.alloc(128, 0xff);
    PLAIN.copy(data);
    const block = `0101fe ${data.toString('hex')} d904`;
    expect(made.tell(block)).toBe('06');
    expect(made.tell(block)).toBe('06');
    expect(made.tell(`0103fc ${'ff'.repeat(128)} eda9`)).toBe('15');
    const after = Buffer.from(made.tell(`0102fd ${'ff'.repeat(128)} eda9`), 'hex').toString('latin1');
    expect(after).toContain('\x18\x18\x18');
    expect(after.replaceAll('\0', '')).toContain('file error 0x4F\r\n');
  });
});

describe('over BLE', () => {
  it('an AppLoader advertises its name and its own address', () => {
    const deviceAddress = { address: '11:22:33:44:55:66', addressType: 'public' as const };
    const { data } = encodeAdvertisingData({
      address: '11:22:33:44:55:66',
      addressType: 'public',
      name: 'OTA',
      services: [],
      intervalMs: 100,
      deviceAddress,
    });
    expect(data.toString('hex')).toBe('02010604094f5441081b66554433221100');
  });

  it('an AppLoader wants a start in each connection, and resets at the end of each', () => {
    const { device, scheduler } = bench({ access: 'apploader' });
    const radio = device.ble!;
    expect(radio.advertisement()).toMatchObject({ name: 'OTA', services: [] });
    radio.onConnect({ mtu: () => 247, notify: () => true, disconnect: () => undefined });
    expect(radio.onWrite(SilabsOtaUuid.data, SMALLEST, true)).toEqual({ attError: 0x81 });
    expect(radio.onWrite(SilabsOtaUuid.control, Uint8Array.of(3), true)).toEqual({ attError: 0x81 });
    expect(radio.onWrite(SilabsOtaUuid.control, Uint8Array.of(0), true)).toEqual({ delayMs: 0 });
    expect(radio.onWrite(SilabsOtaUuid.data, BROKEN, true)).toEqual({ attError: 0x80 });
    radio.onDisconnect();
    scheduler.advance(100);
    expect(device.unit.isRunning).toBe(false);
    scheduler.advance(300);
    expect(device.unit.personality).toBe('bootloader');
  });
});
