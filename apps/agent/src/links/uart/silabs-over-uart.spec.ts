/** BGAPI and XMODEM through everything that is real: session, driver, link, serialport on a pseudo-terminal. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  createSilabsDevice,
  makeDemoFirmware,
  RealScheduler,
  serveSerial,
  type SilabsOptions,
} from '@drydock/device-sim';
import { bgapiDfu, describeArtifact, geckoXmodem, makeGbl, type Protocol, type UpdateOutcome } from '@drydock/dfu-core';
import { realClock } from '../../clock.js';
import { NO_FENCES } from '../../driver/fences.js';
import { PayloadStore } from '../../driver/payload-store.js';
import { SessionDriver } from '../../driver/session-driver.js';
import { UartLink } from './uart-link.js';

const NEW = makeDemoFirmware({ model: 'demo-node', version: '2.0.0', sizeBytes: 40_000, seed: 2 });
const FILE = makeGbl({ programs: [{ address: 0x4000, data: NEW }] });
const WANTED = createHash('sha256').update(NEW).digest('hex');

async function update(
  protocol: Protocol,
  options: Partial<SilabsOptions> & Pick<SilabsOptions, 'access'>,
  linkOptions: Readonly<Record<string, string>>,
): Promise<{ outcome: UpdateOutcome; ran: string | undefined }> {
  const scheduler = new RealScheduler();
  const device = createSilabsDevice({
    scheduler,
    application: makeDemoFirmware({ model: 'demo-node', version: '1.0.0', sizeBytes: 16_384 }),
    flash: { eraseMsPerPage: 1, writeUsPerWord: 1 },
    rebootMs: 20,
    ...options,
  });
  const service = serveSerial(device.serial!, { pacing: 'unpaced' });
  const artifact = describeArtifact(FILE);
  const driver = new SessionDriver({
    clock: realClock,
    link: new UartLink({ name: 'node', path: service.path, line: { baud: Number(linkOptions['baud'] ?? 115_200) } }),
    fences: NO_FENCES,
    payload: new PayloadStore(FILE, artifact.sha256, protocol.payloads(FILE)),
  });
  try {
    const outcome = await driver.run(
      (info) =>
        protocol.update(info, {
          artifact,
          allowDowngrade: false,
          confirm: 'after-proof',
          versionProves: true,
          expectVersion: '2.0.0.0',
          returnWithinMs: 10_000,
          linkOptions,
        }),
      { openMs: 5000, limitMs: 60_000 },
    );
    return { outcome, ran: device.flash.runningImageSha256() };
  } finally {
    await driver.close();
    await service.close();
    scheduler.close();
  }
}

describe('Silicon Labs over the real serial library', () => {
  it.each<[string, Protocol, Parameters<typeof update>[1], Readonly<Record<string, string>>]>([
    ['BGAPI', bgapiDfu, { access: 'bgapi' }, { baud: '921600' }],
    [
      'BGAPI in robust frames, bootloader at another speed',
      bgapiDfu,
      { access: 'bgapi', framing: 'robust' },
      { framing: 'robust', baud: '921600', bootbaud: '460800' },
    ],
    [
      'BGAPI after a reboot in the middle',
      bgapiDfu,
      { access: 'bgapi', faults: { rebootAtByte: 9000 } },
      { baud: '921600' },
    ],
    [
      'XMODEM with damaged blocks',
      geckoXmodem,
      { access: 'xmodem', applicationSpeaksBgapi: true, faults: { corruptToDevice: [12, 30] } },
      { application: 'bgapi', baud: '921600' },
    ],
  ])(
    'updates and proves: %s',
    async (_, protocol, options, linkOptions) => {
      const { outcome, ran } = await update(protocol, options, linkOptions);
      expect(outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
      expect(ran).toBe(WANTED);
    },
    60_000,
  );
});
