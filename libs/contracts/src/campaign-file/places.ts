/** Where in the text of a YAML file a value or a key stands. */
import { isMap, isScalar, isSeq, LineCounter, type Document, type Node, type Pair, type Range } from 'yaml';
import type { Path } from './map-draft.js';

export interface TextPlace {
  /** Both from 1; a column is a UTF-16 unit. */
  readonly line: number;
  readonly column: number;
  /** Units that are meant, within the line; at least 1. */
  readonly length: number;
  /** The whole line. */
  readonly text: string;
}

export class Places {
  readonly #lines = new LineCounter();
  readonly #text: string;
  #document: Document | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#lines.addNewLine(0);
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lines.addNewLine(at + 1);
  }

  use(document: Document): void {
    this.#document = document;
  }

  /** @param at offset within the text. */
  ofOffset(at: number, length = 1): TextPlace {
    const from = Math.min(Math.max(at, 0), this.#text.length);
    const { line, col } = this.#lines.linePos(from);
    const start = from - (col - 1);
    const next = this.#text.indexOf('\n', start);
    const text = this.#text.slice(start, next < 0 ? undefined : next).replace(/\r$/, '');
    return { line, column: col, length: Math.max(1, Math.min(length, text.length - (col - 1))), text };
  }

  /** The value at a path; where there is none, the key of the nearest place above. */
  ofValue(path: Path): TextPlace {
    const found = this.#walk(path);
    if (found.depth === path.length && found.node?.range) return this.#ofRange(found.node.range);
    return this.ofKey(path.slice(0, found.depth));
  }

  /** The key at the end of a path: what is not known there, or the group in which something is missing. */
  ofKey(path: Path): TextPlace {
    const { pair, node, depth } = this.#walk(path);
    if (depth === path.length) {
      if (pair && isScalar(pair.key) && pair.key.range) return this.#ofRange(pair.key.range);
      if (node?.range) return this.ofOffset(node.range[0]);
    }
    return depth === 0 ? this.ofOffset(this.#document?.contents?.range?.[0] ?? 0) : this.ofKey(path.slice(0, depth));
  }

  /** A part of a text value; the whole of it where the file spells it with escapes or over several lines. */
  ofPart(path: Path, at: number, length: number): TextPlace {
    const { node, depth } = this.#walk(path);
    if (depth === path.length && isScalar(node) && typeof node.value === 'string' && node.range) {
      const [from, to] = node.range;
      const written = this.#text.slice(from, to);
      if (written === node.value) return this.ofOffset(from + at, length);
      if (/^(['"]).*\1$/s.test(written) && written.slice(1, -1) === node.value) {
        return this.ofOffset(from + 1 + at, length);
      }
    }
    return this.ofValue(path);
  }

  #ofRange([from, to]: Range): TextPlace {
    return this.ofOffset(from, to - from);
  }

  /** As far down as the document goes. */
  #walk(path: Path): { readonly node: Node | undefined; readonly pair: Pair | undefined; readonly depth: number } {
    let node: Node | undefined = this.#document?.contents ?? undefined;
    let pair: Pair | undefined;
    for (const [depth, key] of path.entries()) {
      let next: unknown;
      let through: Pair | undefined;
      if (isMap(node)) {
        through = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
        next = through?.value;
      } else if (isSeq(node)) {
        next = node.items[Number(key)];
      }
      if (through === undefined && next === undefined) return { node, pair, depth };
      pair = through;
      node = (next as Node | null | undefined) ?? undefined;
    }
    return { node, pair, depth: path.length };
  }
}

/** No control character of a file reaches a terminal. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Surrogate}]/gu, ' ');
