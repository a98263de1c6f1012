/** What the tap understands of the packets that pass. Forms: Bluetooth Core 5.2, Vol 4 Part E, 7.7. */
import { describe, expect, it } from '@jest/globals';
import { HciTap } from './hci-tap.js';
import type { HciTransport } from './hci-transport.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
/** Handle 0x0040, central, random c0:11:22:33:44:50, 15 ms, no latency, 4 s. */
const CONNECTED = hex('04 3e 13 01 00 4000 00 01 504433221 1c0 0c00 0000 9001 00');

function setUp(ownsController: boolean): {
  tap: HciTap;
  sent: string[];
  toNoble: string[];
  receive: (packet: Buffer) => void;
  fromNoble: (packet: Buffer) => void;
} {
  let onPacket: (packet: Buffer) => void = () => undefined;
  const sent: string[] = [];
  const transport: HciTransport = {
    ownsController,
    send: (packet) => sent.push(packet.toString('hex')),
    onPacket: (listener) => {
      onPacket = listener;
    },
    onClose: () => undefined,
    isUp: () => true,
    setFilter: () => undefined,
    close: async () => undefined,
  };
  const tap = new HciTap(transport, {}, () => undefined);
  const Socket = tap.socketClass();
  const socket = new Socket();
  const toNoble: string[] = [];
  socket.on('data', (packet: Buffer) => toNoble.push(packet.toString('hex')));
  socket.start();
  return { tap, sent, toNoble, receive: (packet) => onPacket(packet), fromNoble: (packet) => socket.write(packet) };
}

describe('the tap', () => {
  it('takes the host\u2019s own packets, which the kernel shows too, for no events', () => {
    const { tap, toNoble, receive } = setUp(false);
    receive(CONNECTED);
    expect(tap.connectionTo('c0:11:22:33:44:50')?.handle).toBe(0x40);
    // Read RSSI (0x1405): its second byte is the code of Disconnection Complete.
    receive(hex('01 0514 02 4000'));
    expect(tap.connectionTo('c0:11:22:33:44:50')?.handle).toBe(0x40);
    expect(toNoble).toHaveLength(2);
    receive(hex('04 05 04 00 4000 13'));
    expect(tap.connectionTo('c0:11:22:33:44:50')).toBeUndefined();
  });

  it('leaves data length and PHY to the kernel where the kernel owns the controller', () => {
    const { sent, receive } = setUp(false);
    receive(CONNECTED);
    expect(sent).toEqual([]);
  });

  it('counts what the controller holds for each connection', () => {
    const { tap, receive, fromNoble } = setUp(true);
    receive(CONNECTED);
    const connection = tap.connectionTo('c0:11:22:33:44:50');
    connection?.handOver();
    expect(connection?.inFlight).toBe(1);
    fromNoble(hex('02 4000 0800 0400 0400 52 0300 07')); // the write command that was handed over
    fromNoble(hex('02 4000 0700 0300 0400 0a 0300')); // a read request
    expect(connection?.inFlight).toBe(2);
    receive(hex('04 13 05 01 4000 0200'));
    expect(connection?.inFlight).toBe(0);
  });

  it('drops data for a connection that is gone', () => {
    const { sent, fromNoble } = setUp(true);
    fromNoble(hex('02 4000 0700 0300 0400 0a 0300'));
    expect(sent).toEqual([]);
  });

  it('refuses impossible parameters that a device asks for', () => {
    const { sent, receive } = setUp(true);
    receive(CONNECTED);
    // Connection Parameter Update Request: interval 40 to 24
    receive(hex('02 4020 1000 0c00 0500 12 07 0800 2800 1800 0000 9001'));
    expect(sent).toEqual(['0240000a000600050013070200' + '0100']);
  });
});
