/** The short form of `npm run soak -- agent`. */
import { expect, it } from '@jest/globals';
import { torture } from './torture.js';

it('the devices of a mixed site come through a short storm, and no image byte is wrong (P1, P3, P4, P6)', async () => {
  const seed = Number(process.env['DRYDOCK_SEED'] ?? Math.floor(Math.random() * 1_000_000));
  console.log(`torture of the agent: seed ${seed}`);
  const { broken, members } = await torture({
    seed,
    imageBytes: 24 * 1024,
    stormMs: 10_000,
    troubleEveryMs: 200,
    calmMs: 180_000,
    say: (line) => console.log(line),
  });
  expect(broken).toEqual([]);
  // At least eight over Bluetooth and four over serial lines.
  const serial = members.filter(({ unit }) => unit.link.startsWith('serial:'));
  expect([serial.length >= 4, members.length - serial.length >= 8]).toEqual([true, true]);
}, 400_000);
