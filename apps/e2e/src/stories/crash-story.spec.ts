/** The short form of the crash run; the long one is `npm run soak -- chaos`. */
import { expect, it } from '@jest/globals';
import { runChaos } from '../chaos.js';

const ROUNDS = 2;

it(`keeps its promises through ${ROUNDS} rounds of kills, cuts and power losses (P1-P4, P6-P8, P10)`, async () => {
  const seed = Number(process.env.DRYDOCK_SEED ?? Math.floor(Math.random() * 1_000_000));
  console.log(`crash run: DRYDOCK_SEED=${seed}`);
  const broken = await runChaos({ rounds: ROUNDS, seed, say: (line) => console.log(line) });
  expect(broken).toEqual([]);
}, 400_000);
