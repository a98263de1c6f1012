/** The parts of the site file that say when something may happen here, and what is asked or told around it. */
import { z } from 'zod';

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const clockTime = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'a time of day such as 22:30');

/** A range of the day. Where `to` is not after `from`, it ends on the next day. */
export const HourRange = z.strictObject({
  /** Days on which it begins; all, unless some are named. */
  days: z.array(z.enum(DAYS)).min(1).max(7).optional(),
  from: clockTime,
  to: clockTime,
});
export type HourRange = z.infer<typeof HourRange>;

export const ZoneName = z
  .string()
  .max(64)
  .superRefine((name, context) => {
    try {
      new Intl.DateTimeFormat('en', { timeZone: name });
    } catch {
      context.addIssue({ code: 'custom', message: `${name} is no time zone that this machine knows` });
    }
  });

const timeout = z.number().min(1).max(300).default(10);
/** Program and arguments, never a line for a shell. */
const argv = z.array(z.string().min(1).max(1000)).min(1).max(32);

/** Something that is run or called: a program with its arguments, or an address that gets a POST. */
export const Call = z.union([
  z.strictObject({ command: argv, timeoutSeconds: timeout }),
  z.strictObject({
    url: z.url({ protocol: /^https?$/, error: 'an http or https address' }).max(2000),
    timeoutSeconds: timeout,
  }),
]);
export type Call = z.infer<typeof Call>;

export const Rules = z.strictObject({
  /** In them nothing is started; what runs is finished. */
  quietHours: z.array(HourRange).max(32).default([]),
  /** Of the quiet hours; the machine's own zone is not used, because gateways are often left at UTC. */
  zone: ZoneName.default('UTC'),
  /** Least charge of a device's battery, and who is asked for it: no update protocol tells. Unknown is too little. */
  battery: z.strictObject({ minPercent: z.int().min(1).max(100), ask: Call }).optional(),
  /** Says whether a device is in use now: exit status or HTTP status, see docs/agent.md. */
  inUse: Call.optional(),
});
export type Rules = z.infer<typeof Rules>;

export const Hooks = z.strictObject({
  /** Before the link is opened. What fails keeps the update from starting. */
  before: Call.optional(),
  /** After the link is closed, however the update ended. */
  after: Call.optional(),
});
export type Hooks = z.infer<typeof Hooks>;

export const Downloads = z.strictObject({
  /** Of all downloads together. */
  kibPerSecond: z.number().min(8).max(10_000_000).optional(),
  /** Only in them, in `zone`; outside of them downloads wait. */
  hours: z.array(HourRange).max(32).default([]),
  zone: ZoneName.default('UTC'),
});
export type Downloads = z.infer<typeof Downloads>;
