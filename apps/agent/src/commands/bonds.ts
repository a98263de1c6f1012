/** `drydock-agent bond`: which devices this gateway is bonded with, and how it becomes so. */
import type { Command } from 'commander';

export function addBonds(program: Command): void {
  const bond = program
    .command('bond')
    .description('pair with Bluetooth devices, whose links are encrypted from then on');
  bond
    .command('make')
    .description('pair with a device and keep the bond; the device must be willing (it may want a button pressed)')
    .requiredOption('--link <link>', 'ble:AA:BB:CC:DD:EE:FF?type=random')
    .requiredOption('--state <dir>', 'folder of the agent, where bonds are kept')
    .option('--adapter <name>', 'Bluetooth adapter')
    .option('--level <level>', 'the least that is taken: encrypted, or authenticated (with a passkey or a comparison)')
    .option('--passkey-file <file>', 'six digits of the device; otherwise the person at the terminal is asked')
    .option('--json', 'print JSON')
    .option('--verbose', 'log to stderr')
    .action(async (options) => {
      process.exitCode = await (await import('./manage-bonds.js')).makeBond(options);
    });
  bond
    .command('list')
    .description('list the devices; keys are never shown')
    .requiredOption('--state <dir>', 'folder of the agent')
    .option('--json', 'print JSON')
    .action(async (options) => {
      process.exitCode = await (await import('./manage-bonds.js')).listBonds(options);
    });
  bond
    .command('forget')
    .description('forget a device; the device itself keeps its half until it is told otherwise')
    .requiredOption('--link <link>', 'ble:AA:BB:CC:DD:EE:FF')
    .requiredOption('--state <dir>', 'folder of the agent')
    .option('--json', 'print JSON')
    .action(async (options) => {
      process.exitCode = await (await import('./manage-bonds.js')).forgetBond(options);
    });
}
