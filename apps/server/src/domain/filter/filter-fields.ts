/** Fields and operators that a filter may name, and what to say when it names others. */
import type { Order } from './filter.js';

export const FIELDS = {
  model: { form: 'text', example: 'model==sensor-*' },
  version: { form: 'version', example: "version=range='>=1.2 <2'" },
  tag: { form: 'tag', example: 'tag==floor:3' },
  site: { form: 'text', example: 'site==berlin' },
  gateway: { form: 'text', example: 'gateway=in=(gw-1,gw-2)' },
  group: { form: 'text', example: 'group==pumps-east' },
  link: { form: 'link', example: 'link==ble' },
  lastSeen: { form: 'seen', example: 'lastSeen<PT24H' },
  battery: { form: 'number', example: 'battery>=30' },
  signal: { form: 'number', example: 'signal>-80' },
  device: { form: 'device', example: 'device==6f1c0c3e-7b1a-4f0e-9f59-0c8a2f6d1b11' },
  name: { form: 'text', example: 'name==pump-*' },
  identity: { form: 'text', example: 'identity==*:9c:12:*' },
  hold: { form: 'hold', example: 'hold==false' },
} as const;
/** What can be asked of a member of a campaign besides. */
export const MEMBER_FIELDS = {
  state: { form: 'text', example: 'state=in=(lost,unproven)' },
  stage: { form: 'text', example: 'stage==canary' },
  code: { form: 'text', example: 'code==link.*' },
  from: { form: 'text', example: 'from==1.4.*' },
} as const;
/** What can be asked of campaigns in their list. */
export const CAMPAIGN_FIELDS = {
  name: { form: 'text', example: 'name==bc127-*' },
  state: { form: 'text', example: 'state=in=(running,halted)' },
  live: { form: 'hold', example: 'live==true' },
  model: { form: 'text', example: 'model==sensor-*' },
  version: { form: 'text', example: 'version==2.*' },
  stage: { form: 'text', example: 'stage==canary' },
  owner: { form: 'text', example: "owner=='R. Lind'" },
  note: { form: 'text', example: 'note==*FW-882*' },
  artifact: { form: 'text', example: 'artifact==9f2c41*' },
} as const;
export type FilterScope = 'device' | 'member' | 'campaign';
export type FieldName = keyof typeof FIELDS | keyof typeof MEMBER_FIELDS;
export type CampaignFieldName = keyof typeof CAMPAIGN_FIELDS;
const ALL_FIELDS = { ...FIELDS, ...MEMBER_FIELDS };
export type FieldForm = (typeof ALL_FIELDS)[FieldName]['form'];

/** The fields that a filter of a scope may name. */
export function fieldsOf(scope: FilterScope): Readonly<Record<string, { form: FieldForm; example: string }>> {
  if (scope === 'campaign') return CAMPAIGN_FIELDS;
  return scope === 'member' ? ALL_FIELDS : FIELDS;
}

export function isField(name: string, scope: 'device' | 'member'): name is FieldName {
  return Object.hasOwn(fieldsOf(scope), name);
}

export function isCampaignField(name: string): name is CampaignFieldName {
  return Object.hasOwn(CAMPAIGN_FIELDS, name);
}

const EQUALITY = ['==', '!=', '=in=', '=out='] as const;
const ORDER = ['<', '<=', '>', '>='] as const;
export type Operator = (typeof EQUALITY)[number] | Order | '=range=';

export const OPERATORS_OF: Readonly<Record<FieldForm, readonly Operator[]>> = {
  text: EQUALITY,
  tag: EQUALITY,
  link: EQUALITY,
  device: EQUALITY,
  hold: ['==', '!='],
  version: [...EQUALITY, ...ORDER, '=range='],
  number: [...EQUALITY, ...ORDER],
  seen: ORDER,
};
export const ALL_OPERATORS: readonly Operator[] = [...EQUALITY, ...ORDER, '=range='];

const SPELLINGS: Readonly<Record<string, Operator>> = { '=lt=': '<', '=le=': '<=', '=gt=': '>', '=ge=': '>=' };

/** @returns the operator in its one spelling, or undefined when there is none such. */
export function operatorOf(spelling: string): Operator | undefined {
  return SPELLINGS[spelling] ?? ALL_OPERATORS.find((operator) => operator === spelling);
}

export const isOrder = (operator: Operator): operator is Order => ORDER.some((order) => order === operator);
