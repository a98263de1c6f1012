/** The short form of `npm run soak -- agent`. */
import { expect, it } from '@jest/globals';
import { torture } from './torture.js';

it('a dozen devices come through a short storm, and no image byte is wrong (P1, P3, P4, P6)', async () => {
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
  expect(members).toHaveLength(12);
}, 400_000);
