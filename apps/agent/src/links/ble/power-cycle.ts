/**
 * Takes power from an adapter of the kernel and gives it back: what a person would do with the cable. An adapter of our
 * own needs none of this: it is reset over HCI when it is opened.
 *
 * Tools, the first that is there and allowed: `hciconfig hciN down|up` (BlueZ, older), `btmgmt --index N power off|on`.
 */
import { execFile } from 'node:child_process';

export type RunTool = (tool: string, args: readonly string[]) => Promise<void>;

const TOOL_WITHIN_MS = 5000;

const runTool: RunTool = (tool, args) =>
  new Promise((resolve, reject) => {
    execFile(tool, [...args], { timeout: TOOL_WITHIN_MS, killSignal: 'SIGKILL' }, (error, _, stderr) => {
      if (!error) return resolve();
      reject(new Error(stderr.trim().split('\n')[0] || error.message));
    });
  });

/** @returns what was done, or why nothing could be: a sentence for people. Never throws. */
export async function powerCycle(index: number, run: RunTool = runTool): Promise<string> {
  const ways: readonly (readonly [tool: string, off: readonly string[], on: readonly string[]])[] = [
    ['hciconfig', [`hci${index}`, 'down'], [`hci${index}`, 'up']],
    ['btmgmt', ['--index', String(index), 'power', 'off'], ['--index', String(index), 'power', 'on']],
  ];
  const failures: string[] = [];
  for (const [tool, off, on] of ways) {
    try {
      await run(tool, off);
      await run(tool, on);
      return `power cycled with ${tool}`;
    } catch (error) {
      failures.push(`${tool}: ${(error as Error).message}`.slice(0, 120));
    }
  }
  return `no power cycle (${failures.join('; ')})`;
}
