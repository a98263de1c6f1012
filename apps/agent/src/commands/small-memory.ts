/** A gateway has little memory: the daemon trades a little speed of rarely used code for it. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Has to run before the daemon's modules are loaded: V8 then keeps their code small. Its optimizing compiler, which
 * alone takes some 10 MiB, stays unused: a daemon that starts and waits has nothing to optimize.
 */
export function preferSmallMemory(): void {
  setFlagsFromString('--optimize-for-size');
  setFlagsFromString('--no-opt');
}

/**
 * There is work: hashes and checksums over whole images are worth their memory. From now on, until the process ends.
 *
 * Of callees only tiny ones (27 bytes of bytecode: rotations, accessors) are compiled into their callers. What the
 * compiler takes for larger ones it never gives back: 25 MiB with eight devices under way, for no less processor time.
 */
export function preferSpeed(): void {
  setFlagsFromString('--max-inlined-bytecode-size=0');
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=0');
  setFlagsFromString('--opt');
}

/** What loading and connecting left behind goes once, when the daemon has come to rest. */
export function releaseAfter(delayMs: number): void {
  setTimeout(() => {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as (how: object) => void)({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  }, delayMs).unref();
}
