/** `drydock-agent pack nordic-legacy OUT.zip` and `pack nordic-dat OUT.dat`: what nrfutil 0.5 and gen_dat make. */
import type { Command } from 'commander';
import type { PackLegacyOptions } from './make-nordic-legacy-package.js';

export function addPackNordicLegacy(pack: Command): void {
  const withInit = (command: Command): Command =>
    command
      .option('--dev-type <n>', 'device type that a unit must have (Adafruit: 0x0052); without it any')
      .option('--dev-revision <n>', 'device revision that a unit must have; without it any')
      .option('--application-version <n>', 'version to state; bootloaders do not look at it')
      .option('--sd-req <fwids>', 'SoftDevices one of which the unit must have: 0x0064,0x0067; without it any')
      .option('--dfu-ver <n>', '0.5 (CRC), 0.6 (CRC with number) or 0.7 (SHA-256)', '0.5')
      .option('--key-file <pem>', 'private key that signs (dfu_ver 0.8)')
      .option('--json', 'print JSON');
  withInit(
    pack
      .command('nordic-legacy <out>')
      .description('make a package (.zip) for the legacy bootloader of the nRF5 SDK, 7 to 11, or Adafruit')
      .option('--application <file>', 'image of the application, .hex or .bin')
      .option('--bootloader <file>', 'image of the bootloader')
      .option('--softdevice <file>', 'image of the SoftDevice'),
  ).action(async (out: string, options: PackLegacyOptions) => {
    process.exitCode = await (await import('./make-nordic-legacy-package.js')).packNordicLegacy(out, options);
  });
  withInit(
    pack
      .command('nordic-dat <out>')
      .description('make the init packet (.dat) alone, as gen_dat')
      .requiredOption('--application <file>', 'image of the application, .hex or .bin'),
  ).action(async (out: string, options: PackLegacyOptions) => {
    process.exitCode = await (await import('./make-nordic-legacy-package.js')).packNordicDat(out, options);
  });
}
