/** A legacy update through the real serial library: session, driver, link, serialport, pseudo-terminal. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { createLegacySerialDevice, makeDemoFirmware, RealScheduler, serveSerial } from '@drydock/device-sim';
import { describeArtifact, legacySerial, makeLegacyPackage } from '@drydock/dfu-core';
import { realClock } from '../../clock.js';
import { NO_FENCES } from '../../driver/fences.js';
import { PayloadStore } from '../../driver/payload-store.js';
import { SessionDriver } from '../../driver/session-driver.js';
import { UartLink } from './uart-link.js';

describe('legacy DFU over a real serial port', () => {
  it('delivers an image that then runs', async () => {
    const device = createLegacySerialDevice({
      scheduler: new RealScheduler(),
      softDeviceFwid: 0xb6,
      flash: { eraseMsPerPage: 2, writeUsPerWord: 1 },
      rebootMs: 20,
      faults: { dropToHost: [9], corruptToDevice: [15] },
    });
    const service = serveSerial(device.serial, { pacing: 'unpaced' });
    const application = makeDemoFirmware({ model: 'feather', version: '2.0.0', sizeBytes: 20_000, seed: 2 });
    const file = makeLegacyPackage({ application, deviceType: 0x52, softdevices: [0xb6] });
    const artifact = describeArtifact(file);
    const driver = new SessionDriver({
      clock: realClock,
      link: new UartLink({ name: `serial:${service.path}`, path: service.path, line: { baud: 115_200 } }),
      fences: NO_FENCES,
      payload: new PayloadStore(file, artifact.sha256, legacySerial.payloads(file)),
    });
    try {
      const outcome = await driver.run(
        (info) =>
          legacySerial.update(info, {
            artifact,
            allowDowngrade: false,
            confirm: 'after-proof',
            versionProves: false,
            returnWithinMs: 10_000,
          }),
        { openMs: 5000, limitMs: 60_000 },
      );
      expect(outcome).toMatchObject({ outcome: 'unproven', reason: 'version-not-readable', sentBytes: 20_000 });
      expect(device.flash.runningImageSha256()).toBe(createHash('sha256').update(application).digest('hex'));
    } finally {
      await driver.close();
      await service.close();
    }
  }, 30_000);
});
