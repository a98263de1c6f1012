/** `pack mcuboot` and `pack mcuboot-package`: their options. What they need is loaded when they are used. */
import type { Command } from 'commander';

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** Adds the commands; each sets `process.exitCode`. */
export function addPackMcuboot(pack: Command): void {
  pack
    .command('mcuboot')
    .description('one MCUboot image; signed when a key is given. With --hex-address the output is Intel HEX')
    .requiredOption('--body <file>', 'the application, as linked (binary)')
    .requiredOption('--image-version <version>', 'MAJOR.MINOR.REVISION or MAJOR.MINOR.REVISION+BUILD')
    .requiredOption('--out <file>', 'file to write')
    .option('--key <pem>', 'private key, Ed25519 or EC P-256')
    .option('--header-size <bytes>', 'where the application begins in the image', '0x200')
    .option('--hash <name>', 'sha256, sha384 or sha512', 'sha256')
    .option('--security-counter <n>', 'for bootloaders that refuse lower ones')
    .option('--dependency <image:version>', 'least version of another image; may be repeated', collect, [])
    .option('--rom-fixed <address>', 'the image runs at this address only')
    .option('--hex-address <address>', 'write Intel HEX for this address')
    .action(async (options) => {
      process.exitCode = await (await import('./make-mcuboot-files.js')).packMcubootImage(options);
    });
  pack
    .command('mcuboot-package')
    .description('several MCUboot images in one archive with manifest.json, as the nRF Connect SDK makes them')
    .requiredOption('--image <n[/slot]=file>', 'an image and its file; may be repeated', collect, [])
    .requiredOption('--out <file>', 'file to write')
    .option('--name <name>', 'name in the manifest')
    .option('--xip', 'the images run where they lie: each is for its slot')
    .action(async (options) => {
      process.exitCode = await (await import('./make-mcuboot-files.js')).packMcubootPackage(options);
    });
}
