/** Time zones that this browser knows, by their names of the IANA database. */
export const ownZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;
export const ZONES: readonly string[] = [...new Set(['UTC', ownZone(), ...Intl.supportedValuesOf('timeZone')])];
