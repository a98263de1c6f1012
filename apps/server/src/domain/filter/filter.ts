/**
 * What a filter over devices says, once it is read. Comparisons of text (`==`, `!=`, `=in=`, `=out=`) are one kind with
 * several patterns, of which one is enough; `negated` is the exact complement, so it also holds where the value is
 * unknown. Comparisons of order never hold where the value is unknown.
 */
import type { KeyStretch } from '../campaign/version-range.js';

export const LINK_KINDS = ['ble', 'serial', 'udp'] as const;
export type LinkKind = (typeof LINK_KINDS)[number];
export type Order = '<' | '<=' | '>' | '>=';
export type TextField = 'model' | 'version' | 'name' | 'identity' | 'site' | 'gateway' | 'group';
export type MemberField = 'state' | 'stage' | 'code' | 'from';
export type CampaignField = 'name' | 'state' | 'model' | 'version' | 'stage' | 'owner' | 'note' | 'artifact';
export type NumberField = 'battery' | 'signal';

/** Literal texts between wildcards: one part has no wildcard, `['a', '']` is `a*`. */
export type TextPattern = readonly string[];

export type DeviceTest =
  | {
      readonly kind: 'text';
      readonly field: TextField;
      readonly any: readonly TextPattern[];
      readonly negated: boolean;
    }
  /** Of the device's deployment in one campaign; only in filters over members. */
  | {
      readonly kind: 'member';
      readonly field: MemberField;
      readonly any: readonly TextPattern[];
      readonly negated: boolean;
    }
  /** Of a campaign itself; only in filters over campaigns. */
  | {
      readonly kind: 'campaign';
      readonly field: CampaignField;
      readonly any: readonly TextPattern[];
      readonly negated: boolean;
    }
  | { readonly kind: 'live'; readonly live: boolean }
  | { readonly kind: 'tag'; readonly any: readonly TagPattern[]; readonly negated: boolean }
  | { readonly kind: 'link'; readonly any: readonly LinkKind[]; readonly negated: boolean }
  | { readonly kind: 'device'; readonly any: readonly string[]; readonly negated: boolean }
  | { readonly kind: 'hold'; readonly held: boolean }
  | { readonly kind: 'version-order'; readonly order: Order; readonly version: string; readonly key: string }
  | { readonly kind: 'version-range'; readonly range: string; readonly stretches: readonly KeyStretch[] }
  | {
      readonly kind: 'number-in';
      readonly field: NumberField;
      readonly any: readonly number[];
      readonly negated: boolean;
    }
  | { readonly kind: 'number-order'; readonly field: NumberField; readonly order: Order; readonly value: number }
  /** How long ago the device was last seen, against a duration. */
  | { readonly kind: 'seen-age'; readonly order: Order; readonly ageMs: number }
  /** When the device was last seen, against a moment. */
  | { readonly kind: 'seen-at'; readonly order: Order; readonly atMs: number };

/** A tag by its key, and by its value where one is given. */
export interface TagPattern {
  readonly key: TextPattern;
  readonly value?: TextPattern;
}

/** An `and` without parts holds for every device, an `or` without parts for none. */
export interface FilterJoin {
  readonly kind: 'and' | 'or';
  readonly parts: readonly Filter[];
}
export type Filter = DeviceTest | FilterJoin;

export const isJoin = (filter: Filter): filter is FilterJoin => filter.kind === 'and' || filter.kind === 'or';

export const ALL_DEVICES: Filter = { kind: 'and', parts: [] };

/** One thing that is wrong with a filter's text. */
export interface FilterError {
  /** Where it begins, in UTF-16 units from the start of the text, and how long it is. */
  readonly at: number;
  readonly length: number;
  /** What is wrong. */
  readonly what: string;
  /** The field, operator or value that was probably meant. */
  readonly nearest?: string;
  /** What to do. */
  readonly mend: string;
}

/** Limits of a filter that a person writes; a filter made from a selector is limited by the selector's own form. */
export const FILTER_LIMITS = { lengthChars: 8192, depth: 16, comparisons: 64, values: 256 } as const;

/** What a filter looks at. `links` are those of the device's gateway. */
export interface FilterFacts {
  readonly id: string;
  readonly model: string | null;
  readonly name: string | null;
  /** Its address, serial number or the like, as the list of devices shows it. */
  readonly identity: string;
  readonly runningVersion: string | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly site: { readonly id: string; readonly name: string };
  readonly gateway: { readonly id: string; readonly name: string } | null;
  /** Its redundancy group. */
  readonly group: { readonly id: string; readonly name: string } | null;
  readonly links: readonly { readonly link: string; readonly rssiDbm?: number }[];
  readonly lastSeenMs: number;
  readonly batteryPercent: number | null;
  readonly held: boolean;
  /** Its deployment in the campaign that is looked at: state, name of the stage, code of the last result, what it ran before. */
  readonly member?: Readonly<Record<MemberField, string | null>>;
}
