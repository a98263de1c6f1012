/**
 * Windows over real changes of the clocks. The offsets are those of the IANA time zone database: Berlin leaves 02:00-03:00
 * out on 2026-03-29 and has it twice on 2026-10-25; New York 2026-03-08 and 2026-11-01; Lord Howe moves half an hour, on
 * 2026-10-04 (02:00 to 02:30) and 2026-04-05 (02:00 back to 01:30); Phoenix never does.
 */
import { describe, expect, it } from '@jest/globals';
import { MaintenanceWindow } from '@drydock/contracts';
import fc from 'fast-check';
import { checkWindow, checkWindows, describeWindow } from './check-window.js';
import { closesAt, fits, isOpen, nextOpening, openZones } from './open-times.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const at = (text: string): number => Date.parse(text);
const utc = (ms: number | undefined | null): string | undefined =>
  ms === undefined || ms === null ? undefined : new Date(ms).toISOString().replace('.000Z', 'Z');
const nightly = (time: string, durationMs = HOUR_MS): MaintenanceWindow => ({
  rule: 'FREQ=DAILY',
  from: `2026-01-01T${time}`,
  durationMs,
});

describe('openings over a change of the clocks', () => {
  it.each([
    // Skipped: 02:30 does not exist in that night, so the window does not open.
    ['Europe/Berlin', '02:30', '2026-03-28T02:00:00Z', '2026-03-28T02:30:00Z', '2026-03-30T00:30:00Z'],
    ['America/New_York', '02:30', '2026-03-07T08:00:00Z', '2026-03-07T08:30:00Z', '2026-03-09T06:30:00Z'],
    ['Australia/Lord_Howe', '02:15', '2026-10-02T16:00:00Z', '2026-10-02T16:45:00Z', '2026-10-04T15:15:00Z'],
    // Twice: the first of both.
    ['Europe/Berlin', '02:30', '2026-10-25T00:45:00Z', '2026-10-25T01:30:00Z', '2026-10-26T01:30:00Z'],
    ['America/New_York', '01:30', '2026-11-01T05:40:00Z', '2026-11-01T06:30:00Z', '2026-11-02T06:30:00Z'],
    ['Australia/Lord_Howe', '01:45', '2026-04-04T15:00:00Z', '2026-04-04T15:45:00Z', '2026-04-05T15:15:00Z'],
    // No change of the clocks.
    ['America/Phoenix', '02:30', '2026-03-08T09:45:00Z', '2026-03-08T10:30:00Z', '2026-03-09T09:30:00Z'],
  ])('%s at %s: open at %s, closes %s, opens again %s', (zone, time, open, closes, opens) => {
    const windows = [nightly(time)];
    expect(isOpen(windows, zone, at(open))).toBe(true);
    expect(utc(closesAt(windows, zone, at(open)))).toBe(closes);
    expect(isOpen(windows, zone, at(closes))).toBe(false);
    expect(isOpen(windows, zone, at(closes) - 1)).toBe(true);
    expect(utc(nextOpening(windows, zone, at(open)))).toBe(opens);
    expect(isOpen(windows, zone, at(opens) - 1)).toBe(false);
    expect(isOpen(windows, zone, at(opens))).toBe(true);
  });

  it('the doubled time does not open a second time', () => {
    const windows = [nightly('02:30', 30 * MINUTE_MS)];
    expect(isOpen(windows, 'Europe/Berlin', at('2026-10-25T00:45:00Z'))).toBe(true);
    expect(isOpen(windows, 'Europe/Berlin', at('2026-10-25T01:45:00Z'))).toBe(false);
  });

  it.each([
    ['Europe/Berlin', '2026-03-28T23:30:00Z', '2026-03-29T03:00:00Z'],
    ['Europe/Berlin', '2026-10-24T23:30:00Z', '2026-10-25T02:00:00Z'],
  ])('the duration is time that passes: %s from %s closes %s', (zone, inside, closes) => {
    // 00:00 to four real hours later: 05:00 on the wall in spring, 03:00 in autumn.
    const windows = [nightly('00:00', 4 * HOUR_MS)];
    const opened = at(closes) - 4 * HOUR_MS;
    expect(utc(closesAt(windows, zone, at(inside)))).toBe(utc(opened + 4 * HOUR_MS));
    expect(isOpen(windows, zone, opened - 1)).toBe(false);
  });
});

describe('several windows and long ones', () => {
  it('openings that meet or overlap are one', () => {
    const windows = [nightly('01:00', HOUR_MS), nightly('02:00', 2 * HOUR_MS), nightly('03:30', HOUR_MS)];
    expect(utc(closesAt(windows, 'UTC', at('2026-05-01T01:10:00Z')))).toBe('2026-05-01T04:30:00Z');
    expect(utc(nextOpening(windows, 'UTC', at('2026-05-01T01:10:00Z')))).toBe('2026-05-02T01:00:00Z');
  });

  it('a day of 24 hours each day leaves only the hour that autumn adds', () => {
    const windows = [nightly('00:00', 24 * HOUR_MS)];
    expect(utc(closesAt(windows, 'Europe/Berlin', at('2026-10-20T12:00:00Z')))).toBe('2026-10-25T22:00:00Z');
    expect(closesAt(windows, 'Europe/Berlin', at('2026-05-01T12:00:00Z'))).toBeGreaterThan(at('2026-06-01T12:00:00Z'));
  });

  it('second Tuesdays, every other Saturday, and a rule that ends', () => {
    const rule = (text: string, from = '2026-01-03T22:00'): MaintenanceWindow[] => [
      { rule: text, from, durationMs: HOUR_MS },
    ];
    expect(utc(nextOpening(rule('FREQ=MONTHLY;BYDAY=2TU'), 'Asia/Tokyo', at('2026-02-01T00:00:00Z')))).toBe(
      '2026-02-10T13:00:00Z',
    );
    expect(utc(nextOpening(rule('FREQ=WEEKLY;INTERVAL=2;BYDAY=SA'), 'UTC', at('2026-01-04T00:00:00Z')))).toBe(
      '2026-01-17T22:00:00Z',
    );
    const ends = rule('FREQ=DAILY;UNTIL=20260110T000000Z');
    expect(utc(nextOpening(ends, 'UTC', at('2026-01-08T23:30:00Z')))).toBe('2026-01-09T22:00:00Z');
    expect(nextOpening(ends, 'UTC', at('2026-01-10T00:00:00Z'))).toBeUndefined();
    expect(isOpen([], 'UTC', 0)).toBe(false);
  });

  it('a moment is open exactly when an opening began less than the duration before', () => {
    const zones = fc.constantFrom(
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
      'America/Phoenix',
      'Asia/Kolkata',
    );
    const day = fc.integer({
      min: at('2026-02-01T00:00:00Z') / MINUTE_MS,
      max: at('2026-12-01T00:00:00Z') / MINUTE_MS,
    });
    fc.assert(
      fc.property(
        zones,
        fc.integer({ min: 0, max: 95 }),
        fc.integer({ min: 1, max: 30 }),
        day,
        (zone, quarter, hours, minute) => {
          const time = `${String(Math.floor(quarter / 4)).padStart(2, '0')}:${String((quarter % 4) * 15).padStart(2, '0')}`;
          const nowMs = minute * MINUTE_MS;
          // The wall clock by the platform's own calendar: a minute is an opening when the wall shows the time for the first time.
          const wall = new Intl.DateTimeFormat('en-GB', {
            timeZone: zone,
            hour: '2-digit',
            minute: '2-digit',
            hourCycle: 'h23',
          });
          const shows = (ms: number): boolean => wall.format(ms) === time;
          let expected = false;
          for (let back = 0; back < hours * 60 && !expected; back += 1) {
            const ms = nowMs - back * MINUTE_MS;
            expected = shows(ms) && !shows(ms - HOUR_MS) && !shows(ms - HOUR_MS / 2);
          }
          expect(isOpen([nightly(time, hours * HOUR_MS)], zone, nowMs)).toBe(expected);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('what fits', () => {
  const windows = [nightly('02:00', 2 * HOUR_MS)];
  it('starts only when it would end in the window', () => {
    expect(fits(windows, 'UTC', at('2026-05-01T03:00:00Z'), HOUR_MS)).toBe(true);
    expect(fits(windows, 'UTC', at('2026-05-01T03:00:00Z') + 1, HOUR_MS)).toBe(false);
    expect(fits(windows, 'UTC', at('2026-05-01T01:59:59Z'), 0)).toBe(false);
  });

  it('zones are open or closed, each with the time at which that changes', () => {
    const zones = ['UTC', 'Europe/Berlin', 'Asia/Tokyo', 'Mars/Olympus', 'UTC'];
    const now = at('2026-05-01T03:10:00Z');
    const found = openZones(windows, zones, now, HOUR_MS);
    // UTC is open until 04:00, but an hour no longer fits; in Berlin it is 05:10, in Tokyo 12:10.
    expect([...found.open]).toEqual([]);
    expect([...found.closed].map(([zone, ms]) => [zone, utc(ms)])).toEqual([
      ['UTC', '2026-05-02T02:00:00Z'],
      ['Europe/Berlin', '2026-05-02T00:00:00Z'],
      ['Asia/Tokyo', '2026-05-01T17:00:00Z'],
      ['Mars/Olympus', undefined],
    ]);
    expect(utc(found.validUntilMs)).toBe('2026-05-01T17:00:00Z');
    const short = openZones(windows, zones, now, 30 * MINUTE_MS);
    expect([...short.open].map(([zone, ms]) => [zone, utc(ms)])).toEqual([['UTC', '2026-05-01T04:00:00Z']]);
    expect(short.validUntilMs).toBe(at('2026-05-01T03:30:00Z') + 1);
    expect(fits(windows, 'UTC', short.validUntilMs! - 1, 30 * MINUTE_MS)).toBe(true);
    expect(fits(windows, 'UTC', short.validUntilMs!, 30 * MINUTE_MS)).toBe(false);
  });

  it('what fits into no opening has no time at which it may start', () => {
    expect([...openZones(windows, ['UTC'], at('2026-05-01T00:00:00Z'), 3 * HOUR_MS).closed]).toEqual([['UTC', null]]);
  });
});

describe('windows that are refused, with place and mend', () => {
  const NOW = at('2026-05-01T00:00:00Z');
  const faults = (fields: Partial<MaintenanceWindow>) =>
    checkWindow({ ...nightly('02:30'), ...fields }, 'policy.windows[0]', NOW);

  it.each<[Partial<MaintenanceWindow>, string, RegExp]>([
    [{ rule: 'BYDAY=SA' }, 'rule', /does not say how often/],
    [{ rule: 'FREQ=HOURLY' }, 'rule', /FREQ=HOURLY cannot be read\. Use DAILY/],
    [{ rule: 'FREQ=DAILY;FREQ=WEEKLY' }, 'rule', /given twice/],
    [{ rule: 'FREQ=DAILY;FOO=1' }, 'rule', /no part FOO/],
    [{ rule: 'FREQ=DAILY;BYDAY=XX' }, 'rule', /BYDAY=XX cannot be read/],
    [{ rule: 'FREQ=DAILY;BYMONTHDAY=0' }, 'rule', /Use 1 to 31, or -31 to -1/],
    [{ rule: 'FREQ=DAILY;BYHOUR=25' }, 'rule', /Use 0 to 23\./],
    [{ rule: 'FREQ=DAILY;INTERVAL=0' }, 'rule', /Use 1 to 1000\./],
    [{ rule: 'FREQ=WEEKLY;BYDAY=2MO' }, 'rule', /contradicts RFC 5545/],
    [{ rule: 'FREQ=DAILY;COUNT=2;UNTIL=20270101T000000Z' }, 'rule', /contradicts RFC 5545/],
    [{ rule: 'FREQ=DAILY;UNTIL=20270101' }, 'rule', /moment in UTC/],
    [{ rule: 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30' }, 'rule', /never opens/],
    [{ rule: 'FREQ=DAILY;UNTIL=20260401T000000Z' }, 'rule', /never opens after 2026-05-01/],
    [{ rule: 'FREQ=DAILY;COUNT=5' }, 'rule', /never opens/],
    [{ from: '2026-02-30T02:30' }, 'from', /no moment of the calendar/],
    [{ from: '2026-02-20T24:30' }, 'from', /no moment of the calendar/],
  ])('%j', (fields, place, message) => {
    const [fault, ...more] = faults(fields);
    expect(more).toEqual([]);
    expect(fault!.path).toBe(`policy.windows[0].${place}`);
    expect(fault!.message).toMatch(message);
  });

  it('takes what opens again, however rarely', () => {
    expect(faults({ rule: 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO' })).toEqual([]);
    expect(faults({ rule: 'FREQ=DAILY;COUNT=1', from: '2026-04-30T23:30' })).toEqual([]);
    expect(checkWindows([], 'policy.windows', NOW)).toHaveLength(1);
  });

  it('survives any text of the form, quickly', () => {
    const part = fc
      .tuple(
        fc.constantFrom(
          'FREQ',
          'INTERVAL',
          'COUNT',
          'BYDAY',
          'BYMONTH',
          'BYMONTHDAY',
          'BYYEARDAY',
          'BYWEEKNO',
          'BYSETPOS',
          'BYHOUR',
          'X',
        ),
        fc.constantFrom('DAILY', 'YEARLY', 'MONTHLY', 'WEEKLY', '1', '-1', '30', '366', 'MO', '-1SU', '', '1,2,31'),
      )
      .map((pair) => pair.join('='));
    const rule = fc.tuple(fc.constantFrom('DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'), fc.array(part, { maxLength: 3 }));
    fc.assert(
      fc.property(rule, ([freq, parts]) => {
        const window = { ...nightly('02:30'), rule: [`FREQ=${freq}`, ...parts].join(';') };
        if (checkWindow(window, 'w', NOW).length > 0) return;
        expect(isOpen([window], 'Europe/Berlin', NOW)).toBe(closesAt([window], 'Europe/Berlin', NOW) !== undefined);
        expect(describeWindow(window)).toMatch(/^Open every/);
      }),
      { numRuns: 300 },
    );
  }, 30_000);

  it('says a window in words', () => {
    expect(
      describeWindow({ rule: 'FREQ=WEEKLY;BYDAY=SA,SU', from: '2026-03-01T02:30', durationMs: 90 * MINUTE_MS }),
    ).toBe(
      'Open every week on Saturday and Sunday at 2:30 AM for 1 hour 30 minutes, by the clock of each site, from 2026-03-01 02:30.',
    );
  });

  it('its form is checked where it comes in', () => {
    expect(MaintenanceWindow.safeParse(nightly('02:30')).success).toBe(true);
    for (const wrong of [
      { rule: 'FREQ=DAILY\nEXDATE:X' },
      { from: '2026-01-01' },
      { durationMs: 1 },
      { rule: 'A'.repeat(513) },
    ]) {
      expect(MaintenanceWindow.safeParse({ ...nightly('02:30'), ...wrong }).success).toBe(false);
    }
  });
});
