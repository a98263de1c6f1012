/** `drydock-agent keys`: makes signing keys, and shows their public halves. */
import type { Command } from 'commander';

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('make and show keys that sign firmware (ECDSA P-256)');
  keys
    .command('make <pem>')
    .description('make a key; the file can be read by its owner only, and none is ever overwritten')
    .option('--json', 'print JSON')
    .action(async (path: string, options: { json?: boolean }) => {
      process.exitCode = await (await import('./signing-keys.js')).makeKey(path, options);
    });
  keys
    .command('show <pem>')
    .description('show the public half: pem, hex (as Nordic writes it), or code (dfu_public_key.c)')
    .option('--format <form>', 'pem, hex or code', 'pem')
    .option('--json', 'print JSON')
    .action(async (path: string, options: { format?: string; json?: boolean }) => {
      process.exitCode = await (await import('./signing-keys.js')).showKey(path, options);
    });
}
