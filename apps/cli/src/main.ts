/** `drydock`: started by its bin. */
import { ofProcess } from './cli.js';
import { EXIT } from './exit-codes.js';
import { run } from './run.js';

/** A command that does not end by itself after Ctrl-C is ended. */
const LEAVE_WITHIN_MS = 2_000;

const current = run(process.argv.slice(2), ofProcess());
let presses = 0;
const leave = (): void => {
  current.leave();
  process.exit(EXIT.interrupted);
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    presses += 1;
    current.interrupt();
    if (presses > 1) leave();
    setTimeout(leave, LEAVE_WITHIN_MS).unref();
  });
}
const status = await current.ended;
process.exitCode = status;
// What was written is out before the process is: a pipe takes it by and by.
await Promise.all(
  [process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => stream.write('', () => resolve()))),
);
process.exit(status);
