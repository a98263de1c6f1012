/** `drydock-agent pack nordic OUT.zip`: a package for Nordic's secure bootloader, with the options of nrfutil. */
import type { Command } from 'commander';
import type { PackNordicOptions } from './make-nordic-package.js';

export function addPackNordic(pack: Command): void {
  const validations = 'NO_VALIDATION, VALIDATE_GENERATED_CRC, VALIDATE_GENERATED_SHA256 or VALIDATE_ECDSA_P256_SHA256';
  pack
    .command('nordic <out>')
    .description('make a package (.zip) for the secure bootloader of the nRF5 SDK, 12 to 17')
    .option('--application <file>', 'image of the application, .hex or .bin')
    .option('--application-version <n>', 'fw_version of the application')
    .option('--bootloader <file>', 'image of the bootloader')
    .option('--bootloader-version <n>', 'fw_version of the bootloader')
    .option('--softdevice <file>', 'image of the SoftDevice')
    .option('--hw-version <n>', 'hardware version that the bootloader was built with (52, or 51)')
    .option('--sd-req <fwids>', 'SoftDevices one of which the device must have: 0x0101,0x0100; 0 for none')
    .option('--sd-id <fwids>', 'with a SoftDevice and an application: the ones that the application needs')
    .option('--app-boot-validation <kind>', validations)
    .option('--sd-boot-validation <kind>', validations)
    .option('--key-file <pem>', 'private key that signs')
    .option('--unsigned', 'sign nothing: only bootloaders built without signature check take it')
    .option('--debug-mode', 'debug build: debug bootloaders skip version checks for it, others refuse it')
    .option('--json', 'print JSON')
    .action(async (out: string, options: PackNordicOptions) => {
      process.exitCode = await (await import('./make-nordic-package.js')).packNordic(out, options);
    });
}
