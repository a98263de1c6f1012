/**
 * What a campaign file may say. The form only: limits of numbers are those of the API (`CampaignDraft`), which judges what
 * the file means. The JSON Schema for editors is made from it.
 */
import { z } from 'zod';
import { DURATION_FORM, SHARE_FORM } from './quantities.js';

export const CAMPAIGN_FILE_VERSION = 'drydock/v1';

const A_LENGTH = 'Write a length of time with its unit, e.g. 90s, 30m, 6h or 14d';
const A_SHARE = 'Write a percentage from 0% to 100%, e.g. 2%';

const Length = z
  .union([z.string().regex(DURATION_FORM), z.literal(0)], { error: A_LENGTH })
  .describe('A length of time: 90s, 30m, 2h30m, 14d');
/** Minutes may be given with as many digits as the API takes. */
const Minutes = z
  .string({ error: A_LENGTH })
  .regex(/^[\d.e-]+m$|^(?:\d{1,15}(?:\.\d{1,20})?(?:ms|[smhdw])){1,6}$/, A_LENGTH)
  .describe('A length of time: 20m, 1h30m');
const Share = z
  .union([z.string().regex(SHARE_FORM), z.number().min(0).max(1)], { error: A_SHARE })
  .describe('A share: 2%, 0.5%');
const Percent = z.string({ error: A_SHARE }).regex(SHARE_FORM, A_SHARE);
const count = z.number({ error: 'Write a number' });
const text = z.string({ error: 'Write text; put it in quotes where it looks like a number' });
const yesNo = z.boolean({ error: 'Write true or false' });
const names = z.array(text, { error: 'Write a list: [one, two]' });
const Filter = text.describe('A filter over devices, e.g. model==sensor-*;version<1.4.0');

const ARTIFACT_FORM = /^(?:sha256:)?[0-9a-f]{12,64}$/;
const AN_ARTIFACT = 'Write sha256: and at least 12 digits of it, or a file as ./firmware.zip';
const isFilePath = (value: string): boolean => /^(?:\.{1,2}[\\/]|\/|[A-Za-z]:[\\/])/.test(value);
const ArtifactName = text.refine((value) => ARTIFACT_FORM.test(value) || isFilePath(value), AN_ARTIFACT);
const Artifact = z
  .union(
    [
      ArtifactName,
      z.strictObject({
        file: text.describe('Path of the firmware file, from the folder of this file'),
        model: text,
        version: text.optional(),
        runningVersion: text.optional(),
      }),
    ],
    { error: AN_ARTIFACT },
  )
  .describe('sha256:9f2c41d7a0be (12 digits or more), or ./file, which is uploaded first where its model is given');

const Gate = z
  .strictObject({
    minKnown: count.optional().describe('Fewest known results (proven, failed, reverted)'),
    maxFailureShare: Share.optional().describe('Greatest failure share, e.g. 2%'),
    soak: Length.optional().describe('How long the stage is watched after its gate first held'),
    approval: yesNo.optional().describe('A person must approve before the gate opens'),
    strata: z
      .union([z.literal('all'), names], { error: 'Write all, or a list of running versions' })
      .optional()
      .describe('Running versions of which one device must have a known result'),
  })
  .describe('What opens the next stage');

const A_TAKE = 'Write a number (50), a percentage (5%) or rest';
const Stage = z
  .strictObject({
    name: text,
    take: z
      .union([count, z.string().regex(SHARE_FORM), z.literal('rest')], { error: A_TAKE })
      .optional()
      .describe('How many: 50, 5% or rest (the last stage)'),
    where: Filter.optional().describe('Instead of take: members that match'),
    gate: Gate.optional(),
    deadline: Length.optional().describe('After it the stage is held for a person'),
  })
  .refine((stage) => stage.take === undefined || stage.where === undefined, {
    error: 'A stage has take or where, not both. Keep one',
    path: ['where'],
  });

const Retry = z.strictObject({ attempts: count, backOff: Length });
const Thresholds = z.array(z.strictObject({ minTried: count, maxFailureShare: Share }), {
  error: 'Write a list of {minTried, maxFailureShare}',
});

/** The file as YAML gives it; quantities keep their spelling. */
export const CampaignFile = z
  .strictObject({
    apiVersion: z.literal(CAMPAIGN_FILE_VERSION, {
      error: `Write ${CAMPAIGN_FILE_VERSION}: other versions are not known here`,
    }),
    kind: z.literal('Campaign', { error: 'Write Campaign: no other kind is known here' }),
    name: text.describe('Lower-case letters, digits, dots and hyphens; unique'),
    note: text.optional(),
    artifact: Artifact,
    devices: z
      .strictObject({
        where: Filter.optional(),
        models: names.optional(),
        tags: z.record(z.string(), text, { error: 'Write tags as {name: value}' }).optional(),
        sites: names.optional(),
        gateways: names.optional(),
        runningVersions: names.optional(),
        ids: names.optional().describe('Device ids'),
        updatedBy: text.optional().describe('Id of a campaign: devices that run its artifact by it'),
        membership: z.enum(['frozen', 'dynamic'], { error: 'Write frozen or dynamic' }).optional(),
        allowDowngrade: yesNo.optional(),
      })
      .optional()
      .describe('Which devices: all that is given must match'),
    stages: z.array(Stage, { error: 'Write a list of stages' }).optional().describe('Canary first'),
    brake: z
      .strictObject({
        limit: Share.optional().describe('Failure rate that is still accepted'),
        falseHalt: Share.optional().describe('Probability that a good campaign is ever halted'),
        transportLimit: Share.optional(),
        baseline: yesNo.optional(),
        thresholds: Thresholds.optional(),
      })
      .optional(),
    pace: z
      .strictObject({
        startPerMinute: count.optional(),
        doubleEvery: Minutes.optional(),
        factor: count.optional(),
        everyProven: count.optional(),
        upTo: count.optional(),
      })
      .refine(
        (pace) => pace.doubleEvery === undefined || (pace.factor === undefined && pace.everyProven === undefined),
        {
          error: 'A pace doubles with time (doubleEvery) or grows with what is proven (factor, everyProven). Keep one',
          path: ['doubleEvery'],
        },
      )
      .optional()
      .describe('Starts per minute: doubleEvery, or factor and everyProven'),
    inFlight: z
      .strictObject({
        first: count.optional().describe('At once before anything is proven'),
        perProven: count.optional().describe('How many more each proven device earns'),
        campaign: count.optional(),
        site: count.optional(),
        gateway: count.optional(),
      })
      .optional(),
    unprovenAtMost: count.optional().describe('Results that may stand unproven; needs acceptUnproven'),
    windows: z
      .array(
        z.strictObject({
          rule: text.describe('RFC 5545 without RRULE:, e.g. FREQ=WEEKLY;BYDAY=SA,SU'),
          from: text.describe("First day and time by each site's clock: 2026-03-01T22:00"),
          lasts: Length,
        }),
        { error: 'Write a list of {rule, from, lasts}' },
      )
      .optional(),
    time: z
      .strictObject({
        start: text.optional().describe('Not before: 2026-11-24T20:00:00+01:00'),
        deadline: Length.optional().describe('From the start; then the campaign is paused for a person'),
      })
      .optional(),
    approvals: z.strictObject({ needed: count }).optional(),
    minBattery: Percent.optional(),
    timeouts: z
      .strictObject({
        start: Length.optional(),
        download: Length.optional(),
        transfer: Length.optional(),
        activate: Length.optional(),
        prove: Length.optional(),
      })
      .optional(),
    retry: z
      .strictObject({
        firmware: Retry.optional(),
        device: Retry.optional(),
        link: Retry.optional(),
        gateway: Retry.optional(),
        server: Retry.optional(),
        operator: Retry.optional(),
        upTo: Length.optional().describe('The back-off never grows beyond it'),
      })
      .optional()
      .describe('By the blame of the error'),
    acceptUnproven: yesNo.optional(),
    confirm: z.enum(['after-proof', 'at-once'], { error: 'Write after-proof or at-once' }).optional(),
    onAbort: text
      .refine((value) => /^(?:finish|leave|restore:(?:sha256:)?[0-9a-f]{12,64})$/.test(value), {
        error: 'Write finish, leave, or restore:sha256: and at least 12 digits of an artifact',
      })
      .optional(),
    urgent: z
      .strictObject({ advisory: text.describe('CVE number or id') })
      .nullable()
      .optional(),
    vendorTool: z.strictObject({ lasts: Minutes.optional() }).optional(),
  })
  .meta({ title: 'Drydock campaign', description: 'A campaign as a file: drydock campaign apply -f FILE' });
export type CampaignFile = z.infer<typeof CampaignFile>;

/** For editors. */
export function campaignFileJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(CampaignFile, { io: 'input', target: 'draft-2020-12' });
}

/** The artifact that a file names: digits of its SHA-256, or a file beside it. */
export type NamedArtifact =
  | { readonly kind: 'sha256'; readonly prefix: string }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly model?: string;
      readonly version?: string;
      readonly runningVersion?: string;
    };

/** @param name as the file's `artifact` says it. */
export function namedArtifact(name: CampaignFile['artifact']): NamedArtifact {
  if (typeof name === 'string') {
    return ARTIFACT_FORM.test(name)
      ? { kind: 'sha256', prefix: name.replace(/^sha256:/, '') }
      : { kind: 'file', path: name };
  }
  const { file, model, version, runningVersion } = name;
  return {
    kind: 'file',
    path: file,
    model,
    ...(version !== undefined && { version }),
    ...(runningVersion !== undefined && { runningVersion }),
  };
}

/** Digits of the SHA-256 of what an abort goes back to. */
export function namedRestore(onAbort: string | undefined): string | undefined {
  return onAbort === undefined ? undefined : /^restore:(?:sha256:)?([0-9a-f]+)$/.exec(onAbort)?.[1];
}
