/** `drydock-agent pack`: firmware files for people without the vendor's tool. One file per vendor. */
import type { Command } from 'commander';
import { addPackNordicLegacy } from './pack-nordic-legacy.js';
import { addPackNordic } from './pack-nordic.js';

export function addPack(program: Command): void {
  const pack = program.command('pack').description('make a firmware file from an image');
  addPackNordic(pack);
  addPackNordicLegacy(pack);
}
