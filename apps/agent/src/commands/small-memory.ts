/** A gateway has little memory: the daemon trades a little speed of rarely used code for it. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Has to run before the daemon's modules are loaded: V8 then keeps their code small. */
export function preferSmallMemory(): void {
  setFlagsFromString('--optimize-for-size');
}

/** What loading and connecting left behind goes once, when the daemon has come to rest. */
export function releaseAfter(delayMs: number): void {
  setTimeout(() => {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as (how: object) => void)({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  }, delayMs).unref();
}
