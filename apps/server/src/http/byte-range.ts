/** Byte ranges of a download (RFC 9110, section 14): one range; anything unusual gets the whole. */

export type RangeAnswer =
  | { readonly kind: 'whole' }
  /** Inclusive positions. */
  | { readonly kind: 'part'; readonly start: number; readonly end: number }
  | { readonly kind: 'unsatisfiable' };

/**
 * @param header value of `Range`; several ranges, other units and what cannot be read are ignored, as the RFC wants.
 * @param sizeBytes of the whole.
 */
export function judgeRange(header: string | undefined, sizeBytes: number): RangeAnswer {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return { kind: 'whole' };
  if (match[1] === '') {
    const last = Number(match[2]);
    if (last === 0 || sizeBytes === 0) return { kind: 'unsatisfiable' };
    return { kind: 'part', start: Math.max(0, sizeBytes - last), end: sizeBytes - 1 };
  }
  const start = Number(match[1]);
  const end = match[2] === '' ? sizeBytes - 1 : Math.min(Number(match[2]), sizeBytes - 1);
  if (match[2] !== '' && Number(match[2]) < start) return { kind: 'whole' };
  return start >= sizeBytes ? { kind: 'unsatisfiable' } : { kind: 'part', start, end };
}
