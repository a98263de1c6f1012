/** `drydock-agent smp COMMAND`: single requests to one SMP device, for a person who means them. */
import type { Command } from 'commander';
import { parseDeviceCommand, type DeviceCommandOptions } from './smp-words.js';

/** Adds the command; it sets `process.exitCode`. */
export function addSmp(program: Command): void {
  program
    .command('smp <command> [value]')
    .description(
      'one SMP request: echo TEXT, params, info [FORMAT], bootloader [QUERY], time [ISO], list, slots, test HASH, confirm [HASH], erase [SLOT], reset',
    )
    .requiredOption('--link <link>', 'serial:PATH?baud=N, ble:AA:BB:CC:DD:EE:FF?type=random or udp:HOST:PORT')
    .option('--force', 'reset: also when the application says that it is busy')
    .option('--boot-mode <n>', 'reset: 1 stays in the bootloader')
    .option('--adapter <name>', 'Bluetooth adapter')
    .option('--json', 'print JSON')
    .option('--verbose', 'log to stderr')
    .action(async (word: string, value: string | undefined, options: DeviceCommandOptions) => {
      process.exitCode = await (
        await import('./smp-device.js')
      ).tellDevice(parseDeviceCommand(word, value, options), options);
    });
}
