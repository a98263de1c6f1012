/**
 * The least of MQTT 3.1.1 that a load generator needs: connect, subscribe, publish at QoS 1, take what comes. The load
 * shares the machine with the server it measures, so every cycle spent here is missing there.
 */
import { connect, type Socket } from 'node:net';

const CONNACK = 2;
const PUBLISH = 3;
const PUBACK = 4;
const SUBACK = 9;

export class BenchMqttClient {
  private buffered: Buffer = Buffer.alloc(0);
  private packetId = 0;
  private answered: ((error?: Error) => void) | undefined;
  /** Called with the payload of every message that comes. */
  onMessage: (payload: Buffer) => void = () => undefined;
  /** Called for every PUBACK. */
  onPuback: () => void = () => undefined;

  /** Called once, when the connection is over, whoever ended it. */
  onClose: () => void = () => undefined;

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.take(chunk));
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.answered?.(new Error('The broker closed the connection.'));
      this.onClose();
    });
  }

  /** @param url `mqtt://host:port`. @throws Error when the broker refuses or does not answer in ten seconds. */
  static async open(
    url: string,
    clientId: string,
    login?: { user: string; password: string },
  ): Promise<BenchMqttClient> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const client = new BenchMqttClient(socket);
    const flags = 0x02 | (login ? 0xc0 : 0);
    const body = [text('MQTT'), Buffer.from([4, flags, 0, 0]), text(clientId)];
    if (login) body.push(text(login.user), text(login.password));
    await client.ask(packet(0x10, ...body));
    return client;
  }

  subscribe(topic: string): Promise<void> {
    return this.ask(packet(0x82, this.nextId(), text(topic), Buffer.from([1])));
  }

  publish(topic: Buffer, payload: Buffer, retain = false): void {
    this.socket.write(packet(retain ? 0x33 : 0x32, topic, this.nextId(), payload));
  }

  close(): void {
    this.socket.destroy();
  }

  private async ask(bytes: Buffer): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('The broker does not answer.')), 10_000);
      this.answered = (error) => {
        this.answered = undefined;
        clearTimeout(timer);
        if (error) reject(error);
        else resolve();
      };
      this.socket.write(bytes);
    });
  }

  private nextId(): Buffer {
    this.packetId = (this.packetId % 65_535) + 1;
    return Buffer.from([this.packetId >> 8, this.packetId & 0xff]);
  }

  private take(chunk: Buffer): void {
    let bytes = this.buffered.length === 0 ? chunk : Buffer.concat([this.buffered, chunk]);
    for (;;) {
      let length = 0;
      let at = 1;
      let shift = 0;
      for (; at < bytes.length && at < 6; at += 1) {
        length |= (bytes[at]! & 0x7f) << shift;
        shift += 7;
        if ((bytes[at]! & 0x80) === 0) break;
      }
      if (at >= bytes.length || bytes.length < at + 1 + length) break;
      this.handle(bytes[0]!, bytes.subarray(at + 1, at + 1 + length));
      bytes = bytes.subarray(at + 1 + length);
    }
    this.buffered = bytes;
  }

  private handle(head: number, body: Buffer): void {
    const type = head >> 4;
    if (type === CONNACK || type === SUBACK) {
      const refused = type === CONNACK && body[1] !== 0;
      this.answered?.(refused ? new Error(`The broker refused the connection: ${body[1]}.`) : undefined);
    } else if (type === PUBACK) {
      this.onPuback();
    } else if (type === PUBLISH) {
      const topicEnd = 2 + body.readUInt16BE(0);
      const id = body.subarray(topicEnd, topicEnd + 2);
      this.socket.write(Buffer.from([0x40, 2, id[0]!, id[1]!]));
      this.onMessage(body.subarray(topicEnd + 2));
    }
  }
}

/** A length-prefixed string, as topics are. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

function packet(head: number, ...parts: Buffer[]): Buffer {
  let length = parts.reduce((sum, part) => sum + part.length, 0);
  const fixed = [head];
  do {
    const digit = length % 128;
    length = Math.floor(length / 128);
    fixed.push(length > 0 ? digit | 0x80 : digit);
  } while (length > 0);
  return Buffer.concat([Buffer.from(fixed), ...parts]);
}
