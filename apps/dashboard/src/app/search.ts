/** Reading the query of an address: it comes from anywhere, so everything is text until looked at. */

/** @returns the text, or undefined where there is none or it is absurdly long. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= 4000 ? value : undefined;
}

/** @returns the value when it is one of those that are known. */
export function oneOf<T extends string>(value: unknown, known: readonly T[]): T | undefined {
  return known.find((each) => each === value);
}
