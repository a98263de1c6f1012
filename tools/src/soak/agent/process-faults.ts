/**
 * Loaded into an agent's process before everything else (`--import`): a disk that is full and a wall clock that jumps, as
 * a control file says. The file named by DRYDOCK_SOAK_FAULTS holds `{"diskFull":true,"clockJumpMs":-3600000}`.
 */
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';

interface Faults {
  readonly diskFull?: boolean;
  readonly clockJumpMs?: number;
}

const LOOK_MS = 50;

const file = process.env['DRYDOCK_SOAK_FAULTS'];
let faults: Faults = {};
function look(): void {
  try {
    if (file !== undefined) faults = JSON.parse(readFileSync(file, 'utf8')) as Faults;
  } catch {
    // It is being written: what held before holds a little longer.
  }
}
look();
setInterval(look, LOOK_MS).unref();

const now = Date.now.bind(Date);
Date.now = () => now() + (faults.clockJumpMs ?? 0);

const handle = await open('/dev/null', 'w');
const prototype = Object.getPrototypeOf(handle) as Record<string, (...args: unknown[]) => Promise<unknown>>;
await handle.close();
for (const name of ['write', 'writev', 'writeFile', 'appendFile']) {
  const real = prototype[name];
  if (!real) continue;
  prototype[name] = function (this: unknown, ...args: unknown[]) {
    if (!faults.diskFull) return real.apply(this, args);
    return Promise.reject(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }));
  };
}
