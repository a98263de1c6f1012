/** `drydock-agent pack FORMAT`: makes firmware files without the vendors' tools. Each format adds its own commands. */
import { Command } from 'commander';
import { addPackMcuboot } from './pack-mcuboot.js';

export function packCommand(): Command {
  const pack = new Command('pack').description('make a firmware file, for tests and without the vendor tool');
  addPackMcuboot(pack);
  return pack;
}
