/** What happens when, in virtual time: a binary heap. Of two at the same moment the one entered first comes first. */
export class Agenda<T> {
  private readonly heap: { readonly atMs: number; readonly order: number; readonly what: T }[] = [];
  private entered = 0;

  get nextMs(): number | undefined {
    return this.heap[0]?.atMs;
  }

  add(atMs: number, what: T): void {
    const entry = { atMs, order: this.entered++, what };
    let at = this.heap.length;
    this.heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, this.heap[parent]!)) break;
      this.heap[at] = this.heap[parent]!;
      at = parent;
    }
    this.heap[at] = entry;
  }

  /** The next that is due by then; undefined when nothing is. */
  takeDue(nowMs: number): T | undefined {
    const [first] = this.heap;
    if (!first || first.atMs > nowMs) return undefined;
    const last = this.heap.pop()!;
    if (this.heap.length > 0) this.sink(last);
    return first.what;
  }

  private sink(entry: { readonly atMs: number; readonly order: number; readonly what: T }): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, entry)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = entry;
  }
}

function before(
  a: { readonly atMs: number; readonly order: number },
  b: { readonly atMs: number; readonly order: number },
): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
