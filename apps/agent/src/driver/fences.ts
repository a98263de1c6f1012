/** The two ends of a grant, as the driver asks for them (design, P3 and section 4, "Time"). */

export interface Fences {
  /** Milliseconds until no first touch is allowed any more; zero or less: not allowed, `undefined`: no trusted time. */
  startRemainingMs(): number | undefined;
  /** Milliseconds until nothing may be written any more; `undefined`: no trusted time. */
  finishRemainingMs(): number | undefined;
}

/** For a person at the gateway, who needs no grant. */
export const NO_FENCES: Fences = {
  startRemainingMs: () => Number.POSITIVE_INFINITY,
  finishRemainingMs: () => Number.POSITIVE_INFINITY,
};
