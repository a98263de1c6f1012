/**
 * What is added to `startBy` and `finishBy` before the server relies on them.
 *
 * Agents compare an upper bound of the server's time with the ends of a grant directly before the first
 * write, so only the gap between that look and the write is left: 1 s by the protocol. The rest of the
 * margin covers the write itself being on its way. Milliseconds.
 */
export const CLOCK_MARGIN_MS = 2_000;
