/**
 * A noble of our own for each adapter.
 *
 * noble is made for one adapter per process: it takes the HCI socket from a fixed module name, reads environment
 * variables, installs process listeners, and polls with a timer for ever. So its files are loaded here through a small
 * module loader of their own, which hands them *our* socket class in place of `@abandonware/bluetooth-hci-socket`, and
 * a process, console and timer that are theirs alone. That works the same under plain Node, under Jest (whose
 * `require.cache` cannot be changed) and from a bundle that has noble's folder beside it, needs no native part, and
 * gives every adapter a fresh instance.
 *
 * The files loaded are noble's own and unchanged, but for their debug lines: nobody reads them, and each would spell a
 * packet out in hex, several times over. This file is the only one that knows its insides.
 */
import crypto from 'node:crypto';
import events from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import util from 'node:util';
import vm from 'node:vm';
import type { HciSocketClass, Noble, NobleBindings } from './noble-types.js';

const PACKAGE = '@abandonware/noble';
const SOCKET_MODULE = '@abandonware/bluetooth-hci-socket';

export interface NobleInstance {
  readonly noble: Noble;
  readonly bindings: NobleBindings;
  /** Forgets every device seen but those; noble keeps them for ever, and their old names with them. */
  forgetStrangers(keep: ReadonlySet<string>): void;
  /** Ends its timers. Nothing of it keeps the process alive, before or after. */
  dispose(): void;
}

type Compiled = (...args: readonly unknown[]) => void;
const WRAPPER = ['exports', 'require', 'module', '__filename', '__dirname', 'process', 'console', 'setTimeout'];
const compiled = new Map<string, Compiled>();
/** A statement that only logs: made one whose argument is never computed. */
const DEBUG_LINE = /^([ \t]*)debug\(/gm;

/**
 * @param socketClass what noble takes for the HCI socket.
 * @param log where its warnings go.
 * @throws Error when noble is not installed or is not the noble we know.
 */
export function loadNoble(
  socketClass: HciSocketClass,
  log: (message: string) => void,
  deviceId?: number,
): NobleInstance {
  const timers = new Set<NodeJS.Timeout>();
  let disposed = false;
  const warn = (...parts: readonly unknown[]): void => log(parts.map(String).join(' '));
  const surroundings = [
    // No environment: HCI_CHANNEL_USER, NOBLE_MULTI_ROLE and friends would change the stack under us.
    { env: {}, title: 'drydock', nextTick: process.nextTick.bind(process), on: () => undefined, listeners: () => [] },
    { log: warn, warn, error: warn },
    (fn: () => void, ms: number): void => {
      if (disposed) return;
      const timer = setTimeout(() => {
        timers.delete(timer);
        fn();
      }, ms);
      timer.unref();
      timers.add(timer);
    },
  ];
  const builtins: Record<string, unknown> = {
    events,
    util,
    crypto,
    // Connection parameter requests are answered by the kernel or by us; noble leaves them alone on this platform.
    os: { platform: () => 'linux', release: () => '' },
    debug: () => () => undefined,
    [SOCKET_MODULE]: socketClass,
  };

  const root = nobleFolder();
  const cache = new Map<string, { exports: unknown }>();
  const load = (file: string): unknown => {
    const known = cache.get(file);
    if (known) return known.exports;
    const module = { exports: {} as unknown };
    cache.set(file, module);
    if (file.endsWith('.json')) {
      module.exports = JSON.parse(readFileSync(file, 'utf8'));
      return module.exports;
    }
    let code = compiled.get(file);
    if (!code) {
      const source = readFileSync(file, 'utf8').replace(DEBUG_LINE, '$1false && debug(');
      code = vm.compileFunction(source, WRAPPER, { filename: file }) as Compiled;
      compiled.set(file, code);
    }
    const folder = dirname(file);
    const requireInside = (name: string): unknown => {
      if (name in builtins) return builtins[name];
      if (!name.startsWith('.')) throw new Error(`${PACKAGE} wants ${name}, which it should not`);
      const path = join(folder, name);
      const found = [path, `${path}.js`, `${path}.json`].find((each) => existsSync(each) && statSync(each).isFile());
      if (found === undefined) throw new Error(`${PACKAGE} misses ${name}`);
      return load(found);
    };
    code(module.exports, requireInside, module, file, folder, ...surroundings);
    return module.exports;
  };

  const Bindings = load(join(root, 'lib/hci-socket/bindings.js')) as new (options: object) => NobleBindings;
  const withBindings = load(join(root, 'with-bindings.js')) as (bindings: NobleBindings) => Noble;
  const bindings = new Bindings(deviceId === undefined ? {} : { deviceId });
  const noble = withBindings(bindings);
  // We start the bindings ourselves, so that an error reaches us and not a warning event.
  noble.initialized = true;
  // noble looks up a connection for every queued packet without asking whether it still exists; the exception would
  // end the process, as it happens in a promise nobody holds.
  bindings._hci._aclConnections = new ForgivingMap();

  return {
    noble,
    bindings,
    forgetStrangers: (keep) => {
      for (const id of Object.keys(noble._peripherals)) {
        if (keep.has(id)) continue;
        for (const table of [noble._peripherals, noble._services, noble._characteristics, noble._descriptors]) {
          delete table[id];
        }
        for (const table of [bindings._addresses, bindings._addresseTypes, bindings._connectable, bindings.scannable]) {
          delete table[id];
        }
      }
      bindings._gap._discoveries = {};
    },
    dispose: () => {
      disposed = true;
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
}

/** Packets of a connection that is gone are counted nowhere. */
class ForgivingMap extends Map<number, { pending: number }> {
  override get(handle: number): { pending: number } {
    return super.get(handle) ?? { pending: 0 };
  }
}

/** noble's folder: as installed, or beside (or above) the bundle. */
function nobleFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`));
  } catch (cause) {
    const here = dirname(fileURLToPath(import.meta.url));
    const beside = [join(here, 'noble'), join(here, '..', 'noble')].find((each) =>
      existsSync(join(each, 'with-bindings.js')),
    );
    if (beside !== undefined) return beside;
    throw new Error(`the optional package ${PACKAGE} is not installed`, { cause });
  }
}
