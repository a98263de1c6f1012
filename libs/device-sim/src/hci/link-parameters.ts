/**
 * Connection parameters and data lengths as HCI spells them.
 *
 * Source: Bluetooth Core 5.2, Vol 4 Part E, 7.8.12 (LE Create Connection), 7.8.33 (LE Set Data Length).
 */
import type { LinkParameters } from './link-connection.js';

/** Interval bounds, latency, timeout and event length; undefined when they break the rules. */
export function decodeLinkParameters(bytes: Buffer, offset: number): LinkParameters | undefined {
  const [min, max, latency, timeout, , maxEvent] = [0, 2, 4, 6, 8, 10].map((at) => bytes.readUInt16LE(offset + at));
  if (min === undefined || max === undefined || latency === undefined || timeout === undefined) return undefined;
  if (min < 6 || max > 3200 || min > max || latency > 499 || timeout < 10 || timeout > 3200) return undefined;
  if (timeout * 10 <= (1 + latency) * max * 1.25 * 2) return undefined;
  const intervalMs = max * 1.25;
  // Zero asks for nothing in particular: the whole interval.
  const eventLengthMs = maxEvent ? Math.min(intervalMs, maxEvent * 0.625) : intervalMs;
  return { intervalMs, latency, supervisionMs: timeout * 10, eventLengthMs };
}

/** Interval, latency and timeout, as the completion events report them. */
export function writeLinkParameters(body: Buffer, offset: number, parameters: LinkParameters): void {
  body.writeUInt16LE(Math.round(parameters.intervalMs / 1.25), offset);
  body.writeUInt16LE(parameters.latency, offset + 2);
  body.writeUInt16LE(Math.round(parameters.supervisionMs / 10), offset + 4);
}

/** Octets and the time they take on the 1M PHY, µs (Vol 4 Part E, 7.8.33). */
export function lengthAndTime(octets: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt16LE(octets, 0);
  body.writeUInt16LE((octets + 14) * 8, 2);
  return body;
}
