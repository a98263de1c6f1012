import { describe, expect, it } from '@jest/globals';
import { hoursCover } from './hours.js';

const at = (text: string): number => Date.parse(text);
const point = (hours: Parameters<typeof hoursCover>[0], zone: string, text: string) =>
  hoursCover(hours, zone, at(text), at(text));

describe('hours', () => {
  it('cover a range of the day, and one that goes past midnight', () => {
    const day = [{ from: '08:00', to: '17:30' }];
    expect(point(day, 'UTC', '2026-03-02T07:59:59Z')).toBe('none');
    expect(point(day, 'UTC', '2026-03-02T08:00:00Z')).toBe('all');
    expect(point(day, 'UTC', '2026-03-02T17:29:59Z')).toBe('all');
    expect(point(day, 'UTC', '2026-03-02T17:30:00Z')).toBe('none');
    const night = [{ from: '22:00', to: '06:00' }];
    expect(point(night, 'UTC', '2026-03-02T23:00:00Z')).toBe('all');
    expect(point(night, 'UTC', '2026-03-02T05:59:00Z')).toBe('all');
    expect(point(night, 'UTC', '2026-03-02T06:00:00Z')).toBe('none');
  });

  it('belong to the day on which they begin', () => {
    // 2026-03-06 is a Friday.
    const friday = [{ days: ['fri' as const], from: '22:00', to: '06:00' }];
    expect(point(friday, 'UTC', '2026-03-06T23:00:00Z')).toBe('all');
    expect(point(friday, 'UTC', '2026-03-07T05:00:00Z')).toBe('all');
    expect(point(friday, 'UTC', '2026-03-06T05:00:00Z')).toBe('none');
    expect(point(friday, 'UTC', '2026-03-07T23:00:00Z')).toBe('none');
  });

  it('are those of the zone, also when its clocks are changed', () => {
    const morning = [{ from: '08:00', to: '09:00' }];
    // Central European Time is one hour ahead of UTC in winter and two in summer.
    expect(point(morning, 'Europe/Berlin', '2026-03-28T07:30:00Z')).toBe('all');
    expect(point(morning, 'Europe/Berlin', '2026-03-29T07:30:00Z')).toBe('none');
    expect(point(morning, 'Europe/Berlin', '2026-03-29T06:30:00Z')).toBe('all');
    expect(point(morning, 'Asia/Kolkata', '2026-03-29T02:30:00Z')).toBe('all');
  });

  it('are answered for all the moments that it may be', () => {
    const hour = [{ from: '08:00', to: '09:00' }];
    const between = (from: string, to: string) => hoursCover(hour, 'UTC', at(from), at(to));
    expect(between('2026-03-02T08:10:00Z', '2026-03-02T08:50:00Z')).toBe('all');
    expect(between('2026-03-02T07:59:30Z', '2026-03-02T08:00:10Z')).toBe('some');
    expect(between('2026-03-02T08:59:30Z', '2026-03-02T09:00:10Z')).toBe('some');
    expect(between('2026-03-02T09:00:00Z', '2026-03-02T10:30:00Z')).toBe('none');
    // A range between the two ends is seen, too.
    expect(between('2026-03-02T07:30:00Z', '2026-03-02T09:20:00Z')).toBe('some');
    expect(between('2026-03-02T09:30:00Z', '2026-03-02T12:20:00Z')).toBe('some');
    expect(hoursCover([], 'UTC', 0, 1)).toBe('none');
  });
});
