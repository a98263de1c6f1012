/**
 * Who answers on a UART. A bootloader acknowledges packets and says nothing else about itself; an application cannot be
 * asked. So a unit is in its bootloader when it acknowledges, and otherwise taken for an application only where the
 * spelling of the link says how to make it leave (`entry=touch`).
 *
 * Source: nRF5 SDK 11, hci_transport.c (a packet with another number than expected is acknowledged and thrown away),
 * dfu_transport_serial.c (so is one of type 0).
 */
import { DrydockError } from '../../errors.js';
import type { Identification } from '../../session/protocol.js';
import type { LineSettings, Session } from '../../session/session.js';
import { statedHardware } from '../legacy-dfu/identify.js';
import type { SerialLine } from './line.js';

export const PROTOCOL_NAME = 'legacy-serial';
/** Adafruit's, and Nordic's. */
export const BAUD_RATES = [115_200, 38_400] as const;
const PROBES = 3;

/** Line settings to try: what a person named, else both that are in use. */
export function lineSettings(options: Readonly<Record<string, string>>): readonly LineSettings[] {
  const named = Number(options['baud']);
  return Number.isInteger(named) && named > 0 ? [{ baud: named }] : BAUD_RATES.map((baud) => ({ baud }));
}

export const hasTouch = (options: Readonly<Record<string, string>>): boolean => options['entry'] === 'touch';

/** @returns the line settings at which a bootloader answers; undefined when none does. */
export function* findBootloader(
  line: SerialLine,
  settings: readonly LineSettings[],
): Session<LineSettings | undefined> {
  for (const each of settings) {
    yield* line.talk.configure(each);
    if ((yield* line.probe(PROBES)) !== undefined) return each;
  }
  return undefined;
}

/** @throws DrydockError `target.wrong-kind` when nobody answers and nothing is known of how to enter the bootloader. */
export function* identify(line: SerialLine, options: Readonly<Record<string, string>>): Session<Identification> {
  const stated = statedHardware(options);
  const settings = yield* findBootloader(line, lineSettings(options));
  if (!settings && !hasTouch(options)) {
    throw new DrydockError('target.wrong-kind', {
      expected: 'Nordic legacy bootloader on this line',
      detail:
        'nobody acknowledges: put the device into its bootloader (button, pin reset), or say entry=touch for boards that enter it by themselves',
    });
  }
  return {
    protocol: PROTOCOL_NAME,
    mode: settings ? 'bootloader' : 'application',
    identity: line.talk.link.identity,
    hardware: { ...stated, ...(settings && { baud: settings.baud }) },
    running: [],
  };
}
