/** `drydock-agent pack FORMAT`: makes firmware files without the vendors' tools. Each format adds its own commands. */
import type { Command } from 'commander';
import { addPackMcuboot } from './pack-mcuboot.js';
import { addPackNordicLegacy } from './pack-nordic-legacy.js';
import { addPackNordic } from './pack-nordic.js';

export function addPack(program: Command): void {
  const pack = program.command('pack').description('make a firmware file, for tests and without the vendor tool');
  addPackMcuboot(pack);
  addPackNordic(pack);
  addPackNordicLegacy(pack);
}
