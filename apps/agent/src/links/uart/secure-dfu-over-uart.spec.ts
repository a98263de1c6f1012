/** Secure DFU through the real serial library and driver; only the board behind the pseudo-terminal is simulated. */
import { createHash } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { createSecureDfuDevice, makeDemoFirmware, RealScheduler, serveSerial } from '@drydock/device-sim';
import { describeArtifact, makeNordicPackage, secureDfu } from '@drydock/dfu-core';
import { realClock } from '../../clock.js';
import { NO_FENCES } from '../../driver/fences.js';
import { PayloadStore } from '../../driver/payload-store.js';
import { SessionDriver } from '../../driver/session-driver.js';
import { UartLink } from './uart-link.js';

it('delivers an image over a port', async () => {
  const device = createSecureDfuDevice({
    scheduler: new RealScheduler(),
    transport: 'uart',
    baud: 1_000_000,
    startsInBootloader: true,
    application: makeDemoFirmware({ model: 'demo', version: '1.0.0', sizeBytes: 16_384 }),
    flash: { eraseMsPerPage: 1, writeUsPerWord: 1 },
    rebootMs: 20,
    verifyMs: 5,
  });
  const service = serveSerial(device.serial);
  const application = makeDemoFirmware({ model: 'demo', version: '2.0.0', sizeBytes: 40_000, seed: 2 });
  const file = makeNordicPackage({ application, hwVersion: 52, fwVersion: 2, sdReq: [0x0101] });
  const artifact = describeArtifact(file);
  const driver = new SessionDriver({
    clock: realClock,
    link: new UartLink({ name: `serial:${service.path}`, path: service.path, line: { baud: 1_000_000, rtscts: true } }),
    fences: NO_FENCES,
    payload: new PayloadStore(file, artifact.sha256, secureDfu.payloads(file)),
  });
  try {
    const outcome = await driver.run(
      (info) =>
        secureDfu.update(info, {
          artifact,
          allowDowngrade: false,
          confirm: 'after-proof',
          versionProves: true,
          expectVersion: '2.0.0',
          returnWithinMs: 10_000,
        }),
      { openMs: 5000, limitMs: 60_000 },
    );
    expect(outcome).toMatchObject({ outcome: 'unproven', reason: 'version-not-readable', needsRescue: false });
    expect(device.flash.runningImageSha256()).toBe(createHash('sha256').update(application).digest('hex'));
  } finally {
    await driver.close();
    await service.close();
  }
}, 40_000);
