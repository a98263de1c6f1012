/** How the line is set, and when. Source: Melody manuals 5.0, 6.x, 7.x; BC127_Firmware (Tympan), updater sketch. */
import type { LineSettings } from '../../session/session.js';

/** Melody as it leaves the factory, and after an update. */
export const FACTORY_LINE: LineSettings = { baud: 9_600, dataBits: 8, parity: 'none', stopBits: 1 };
/** After `DFU`, and in the boot loader. */
export const DFU_LINE: LineSettings = { baud: 115_200, dataBits: 8, parity: 'even', stopBits: 1 };

const isSame = (left: LineSettings, right: LineSettings): boolean =>
  left.baud === right.baud && (left.parity ?? 'none') === (right.parity ?? 'none');

/** What the spelling of the link says of the command line's speed; without it the factory's. */
export function namedLine(options: Readonly<Record<string, string>>): LineSettings {
  const baud = Number(options['baud']);
  if (!Number.isInteger(baud) || baud <= 0) return FACTORY_LINE;
  const parity = options['parity'];
  return { ...FACTORY_LINE, baud, ...(parity === 'even' || parity === 'odd' ? { parity } : {}) };
}

/** Where the command line may be listening: as named, or as after an update that reset the settings. */
export function commandLines(options: Readonly<Record<string, string>>): readonly LineSettings[] {
  const named = namedLine(options);
  return isSame(named, FACTORY_LINE) ? [FACTORY_LINE] : [named, FACTORY_LINE];
}
