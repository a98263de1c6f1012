/** A BC127 through the real serial library: session, driver, link, serialport, pseudo-terminal. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { createCsrBc127Device, makeDemoFirmware, RealScheduler, serveSerial } from '@drydock/device-sim';
import { csrDfu, csrPayloads, describeArtifact, makeCsrDfu } from '@drydock/dfu-core';
import { realClock } from '../../clock.js';
import { NO_FENCES } from '../../driver/fences.js';
import { PayloadStore } from '../../driver/payload-store.js';
import { SessionDriver } from '../../driver/session-driver.js';
import { UartLink } from './uart-link.js';

const melody = (version: string, seed: number): Uint8Array =>
  makeCsrDfu({
    description: `Melody Audio V${version}`,
    program: makeDemoFirmware({ model: 'bc127', version: '1.0.0', sizeBytes: 6000, seed }),
  });
/** What the system says of the port; a pseudo-terminal keeps the speed that it is given, though not the parity. */
const speedOf = (path: string): string => execFileSync('stty', ['-F', path, 'speed'], { encoding: 'utf8' }).trim();

describe('BC127 over a real serial port', () => {
  it('delivers Melody, which is then read, and leaves the speed as it was', async () => {
    const scheduler = new RealScheduler();
    const device = createCsrBc127Device({
      scheduler,
      application: csrPayloads(melody('7.1 1526925062', 1)).get('image:0')!,
      flash: { eraseMsPerPage: 1, writeUsPerWord: 1 },
      settings: { NAME: 'Kitchen' },
      firstStartMs: 50,
      syncMs: 250,
      faults: { dropToHost: [9], corruptToDevice: [12] },
    });
    const service = serveSerial(device.serial);
    const file = melody('7.3 1544637564', 2);
    const artifact = describeArtifact(file);
    const speeds = new Set<string>();
    const driver = new SessionDriver({
      clock: realClock,
      link: new UartLink({ name: `serial:${service.path}`, path: service.path, line: { baud: 9600 } }),
      fences: NO_FENCES,
      payload: new PayloadStore(file, artifact.sha256, csrDfu.payloads(file)),
      hooks: { progress: () => void speeds.add(speedOf(service.path)) },
    });
    try {
      const outcome = await driver.run(
        (info) =>
          csrDfu.update(info, {
            artifact,
            allowDowngrade: false,
            confirm: 'after-proof',
            versionProves: true,
            returnWithinMs: 20_000,
            linkOptions: { variant: 'standard', loader: 'simulated' },
          }),
        { openMs: 30_000, limitMs: 90_000 },
      );
      expect(outcome).toMatchObject({ outcome: 'proven', after: { running: [{ version: '7.3+1544637564' }] } });
      expect([...speeds]).toEqual(['115200']);
      expect(speedOf(service.path)).toBe('9600');
      expect(device.unit.settings.get('NAME')).toBe('Kitchen');
      expect(device.flash.runningImageSha256()).toBe(
        createHash('sha256').update(csrPayloads(file).get('image:0')!).digest('hex'),
      );
    } finally {
      await driver.close();
      await service.close();
      scheduler.close();
    }
  }, 120_000);
});
