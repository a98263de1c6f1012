/**
 * Intel HEX, as the Bluegiga tools write projects: records `:LLAAAATT<data>CC`.
 *
 * Source: Intel, "Hexadecimal Object File Format Specification", revision A (1988).
 */
import { fromHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';

const RecordType = { Data: 0, End: 1, SegmentAddress: 2, StartSegment: 3, LinearAddress: 4, StartLinear: 5 } as const;
const RECORD = /^:((?:[0-9a-fA-F]{2}){5,260})$/;
const MAX_RECORDS = 1_000_000;

/**
 * @param limitBytes no address at or above this is taken.
 * @returns bytes from address 0 to the highest one; gaps are 0xff.
 * @throws ArtifactError `artifact.malformed` with the line, `artifact.limit`.
 */
export function parseIntelHex(text: string, limitBytes: number): Uint8Array {
  const lines = text.split(/\r?\n/);
  if (lines.length > MAX_RECORDS) {
    throw new ArtifactError('artifact.limit', { field: 'Intel HEX records', actual: lines.length, limit: MAX_RECORDS });
  }
  const memory = new Uint8Array(limitBytes).fill(0xff);
  let base = 0;
  let highest = 0;
  let ended = false;
  lines.forEach((line, index) => {
    if (line.trim() === '') return;
    const wrong = (detail: string): never => {
      throw new ArtifactError('artifact.malformed', { field: `Intel HEX line ${index + 1}`, offset: index, detail });
    };
    if (ended) wrong('records follow the end record');
    const match = RECORD.exec(line.trim()) ?? wrong('it is no record');
    const bytes = fromHex(match[1]!);
    const length = bytes[0]!;
    if (bytes.length !== length + 5) wrong(`it announces ${length} bytes and has ${bytes.length - 5}`);
    if ((bytes.reduce((sum, byte) => sum + byte, 0) & 0xff) !== 0) wrong('its checksum is wrong');
    const data = bytes.subarray(4, 4 + length);
    const word = ((data[0] ?? 0) << 8) | (data[1] ?? 0);
    switch (bytes[3]) {
      case RecordType.Data: {
        const at = base + ((bytes[1]! << 8) | bytes[2]!);
        if (at + length > limitBytes) wrong(`address 0x${(at + length).toString(16)} is beyond the flash`);
        memory.set(data, at);
        highest = Math.max(highest, at + length);
        return;
      }
      case RecordType.SegmentAddress:
        base = word * 16;
        return;
      case RecordType.LinearAddress:
        base = word * 65_536;
        return;
      case RecordType.End:
        ended = true;
        return;
      case RecordType.StartSegment:
      case RecordType.StartLinear:
        return;
      default:
        wrong(`unknown record type ${bytes[3]}`);
    }
  });
  if (!ended) throw new ArtifactError('artifact.malformed', { field: 'Intel HEX', offset: 0, detail: 'no end record' });
  return memory.subarray(0, highest);
}
