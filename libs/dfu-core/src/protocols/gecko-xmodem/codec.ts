/**
 * The texts of the menu. Every one ends with a NUL byte, which is no part of it.
 *
 * Source: as `messages.ts`.
 */
import { strFromU8 } from 'fflate';
import { type AbortReport, ABORTED, type Menu, PROMPT } from './messages.js';

/** Printable ASCII and line ends; a byte of XMODEM or of noise in between is left out. */
export function readText(bytes: Uint8Array): string {
  return strFromU8(
    bytes.filter((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x0d || byte === 0x0a),
    true,
  );
}

/** Versions are printed with one hex digit and two decimal numbers; the forerunner prints them freely. */
const GECKO = /Gecko Bootloader v([0-9A-Fa-f]{1,2}\.\d{2}\.\d{2})/g;
const EMBER = /Serial Bootloader v([\w.]{1,16})/g;

/** @returns the last menu in the text that was printed up to its prompt; undefined when there is none. */
export function findMenu(text: string): Menu | undefined {
  const prompt = text.lastIndexOf(PROMPT);
  if (prompt < 0) return undefined;
  const before = text.slice(0, prompt);
  const gecko = [...before.matchAll(GECKO)].at(-1);
  if (gecko) return { family: 'gecko', version: gecko[1]! };
  const ember = [...before.matchAll(EMBER)].at(-1);
  return ember && { family: 'ember', version: ember[1]! };
}

/** @returns undefined as long as nothing of an abort is in the text. */
export function findAbort(text: string): AbortReport | undefined {
  const found = /(block|file) error 0x([0-9A-Fa-f]{2})/.exec(text);
  if (found) return { kind: found[1] as 'block' | 'file', code: Number.parseInt(found[2]!, 16) };
  return text.includes(ABORTED) ? { kind: 'unknown', code: undefined } : undefined;
}
