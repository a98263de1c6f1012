/** Numbers, shares, times and lengths as the command line says them. */

/** 96.1 %; exact 0 and 100 only where they are exact. */
export function percent(share: number): string {
  const value = share * 100;
  if (value > 0 && value < 0.1) return '< 0.1 %';
  if (value < 100 && value > 99.9) return '> 99.9 %';
  return `${value === 0 || value === 100 ? value : value.toFixed(1)} %`;
}

/** Below twenty a percentage says more than is known. */
export function shareOf(part: number, of: number): string {
  if (of === 0) return '–';
  return of < 20 ? `${part} of ${of}` : percent(part / of);
}

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** Two units at most: 2 h 10 min, 45 s. */
export function lengthOfTime(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const units: [number, string][] = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
  ];
  for (const [index, [size, name]] of units.entries()) {
    if (seconds < size) continue;
    const whole = Math.floor(seconds / size);
    const [nextSize, nextName] = units[index + 1] ?? [1, 's'];
    const rest = Math.floor((seconds - whole * size) / nextSize);
    return rest === 0 || index === 2 ? `${whole} ${name}` : `${whole} ${name} ${rest} ${nextName}`;
  }
  return `${seconds} s`;
}

/** Decimal units, as links and disks are sold. */
export function bytes(count: number): string {
  for (const [size, name] of [
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'kB'],
  ] as const) {
    if (count >= size) return `${(count / size).toFixed(count >= size * 100 ? 0 : 1)} ${name}`;
  }
  return `${count} B`;
}

export class Times {
  readonly #clock: Intl.DateTimeFormat;
  readonly #date: Intl.DateTimeFormat;
  readonly #day: Intl.DateTimeFormat;

  /** @param zone IANA name; left out, that of this machine. */
  constructor(
    readonly now: () => number,
    zone: string | undefined,
  ) {
    const timeZone = zone === undefined ? {} : { timeZone: zone };
    this.#clock = new Intl.DateTimeFormat('en-GB', {
      ...timeZone,
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    this.#date = new Intl.DateTimeFormat('en-GB', {
      ...timeZone,
      day: 'numeric',
      month: 'short',
      hour: '2-digit',
      minute: '2-digit',
    });
    this.#day = new Intl.DateTimeFormat('sv-SE', { ...timeZone, dateStyle: 'short' });
  }

  /** The clock for today, else the date; the year where it is another. */
  at(moment: string | number | null | undefined): string {
    if (moment === null || moment === undefined) return '–';
    const ms = typeof moment === 'number' ? moment : Date.parse(moment);
    if (!Number.isFinite(ms)) return '–';
    const today = this.#day.format(this.now());
    const day = this.#day.format(ms);
    if (day === today) return this.#clock.format(ms);
    if (Math.abs(ms - this.now()) > 300 * 86_400_000) return day;
    return this.#date.format(ms).replace(',', '');
  }

  /** For the end of something: never earlier than it is, rounded up to what the clock or the date shows. */
  end(ms: number): string {
    const [second, minute] = [1_000, 60_000].map((unit) => Math.ceil(ms / unit) * unit) as [number, number];
    return this.at(this.#day.format(second) === this.#day.format(this.now()) ? second : minute);
  }

  /** 3 min ago, in 6 min; a date beyond a day. */
  since(moment: string | null | undefined): string {
    if (moment === null || moment === undefined) return 'never';
    const ms = this.now() - Date.parse(moment);
    return ms >= 0 && ms < 86_400_000 ? `${lengthOfTime(ms)} ago` : this.at(moment);
  }

  until(ms: number): string {
    const left = ms - this.now();
    return left > 0 ? `in ${lengthOfTime(left)}` : 'now';
  }
}

/** For streams that are read by programs: UTC, to the second. */
export const utc = (ms: number): string => new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
