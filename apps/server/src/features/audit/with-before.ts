/** The audit of a change: what was asked for, and what that replaced. */

/** @param before values under the names of `body`; names that it has not (a log level ends by itself) have no before. */
export function withBefore(
  body: Readonly<Record<string, unknown>>,
  before: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const names = Object.keys(body).filter((name) => body[name] !== undefined && before[name] !== undefined);
  return {
    ...body,
    ...(names.length > 0 && { before: Object.fromEntries(names.map((name) => [name, before[name]])) }),
  };
}

export const holdOf = (note: string | null): { readonly note: string } | null => (note === null ? null : { note });
