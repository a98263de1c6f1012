/** The short forms of the crash run at scale and of the partition run (`npm run soak -- fleet`, `partition`). */
import { expect, it, jest } from '@jest/globals';
import { runFleet, runPartition } from '../fleet/fleet-run.js';
import { outsideGround } from '../fleet/fleet-lane.js';

jest.setTimeout(600_000);
const seed = Number(process.env.DRYDOCK_SEED ?? Math.floor(Math.random() * 1_000_000));
const outside = outsideGround();
const options = {
  rounds: 1,
  seed,
  gateways: 5,
  devicesPerGateway: 20,
  ...(outside && { outside }),
  say: (line: string) => void process.stdout.write(`seed ${seed}, ${line}\n`),
};

it('a hundred devices are updated while servers are killed: nobody is stranded, nothing is lost or counted twice', async () => {
  expect(await runFleet(options)).toEqual([]);
});

it('P2: gateways that are cut off keep the number of a pause, by the log of their devices', async () => {
  expect(await runPartition(options)).toEqual([]);
});
