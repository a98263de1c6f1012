/** Fields of the plan: each knows its path, says its fault, and keeps what was typed until it means something. */
import { parseDuration, formatDuration } from '@drydock/contracts/campaign-file/quantities';
import { Checkbox, TextInput } from '@mantine/core';
import { useState } from 'react';
import { faultAt, usePlanDesk } from './plan-context.js';
import { valueAt } from './plan-form.js';
import classes from './new-campaign.module.css';

interface FieldProps {
  readonly path: string;
  readonly label: string;
  readonly hint?: string;
  /** Said in the field while it is empty. */
  readonly placeholder?: string;
  /** May be left empty, which takes the value away. */
  readonly optional?: boolean;
  readonly width?: number;
}

interface Spelling {
  /** @returns the value, or undefined where the text means nothing. */
  readonly read: (text: string) => unknown;
  readonly write: (value: unknown) => string;
  /** "Write a number." */
  readonly wants: string;
  readonly inputMode?: 'numeric' | 'decimal' | 'text';
}

function SpelledField({
  path,
  label,
  hint,
  placeholder,
  optional = false,
  width,
  spelling,
}: FieldProps & { spelling: Spelling }) {
  const { form, set, noteText, faults } = usePlanDesk();
  const value = valueAt(form, path);
  const written = value === undefined ? '' : spelling.write(value);
  const [typed, setTyped] = useState<{ text: string; of: string }>();
  // What was typed holds as long as nobody else changes the value.
  const text = typed?.of === written ? typed.text : written;
  const type = (next: string) => {
    const trimmed = next.trim();
    const read = trimmed === '' ? undefined : spelling.read(trimmed);
    const means = read !== undefined || (trimmed === '' && optional);
    noteText(path, means ? undefined : spelling.wants);
    if (means) set(path, read);
    setTyped({ text: next, of: means ? (read === undefined ? '' : spelling.write(read)) : written });
  };
  return (
    <TextInput
      label={label}
      description={hint}
      placeholder={placeholder}
      value={text}
      onChange={(event) => type(event.currentTarget.value)}
      error={faultAt(faults, path)}
      inputMode={spelling.inputMode ?? 'text'}
      autoComplete="off"
      spellCheck={false}
      className={classes.field}
      style={width === undefined ? undefined : { maxWidth: width }}
      data-path={path}
    />
  );
}

const NUMBER: Spelling = {
  read: (text) => (/^-?\d+(?:[.,]\d+)?$/.test(text) ? Number(text.replace(',', '.')) : undefined),
  write: String,
  wants: 'Write a number.',
  inputMode: 'decimal',
};
const SHARE: Spelling = {
  read: (text) => {
    const digits = /^(\d+(?:[.,]\d+)?)\s*%?$/.exec(text)?.[1];
    return digits === undefined ? undefined : Number((Number(digits.replace(',', '.')) / 100).toPrecision(12));
  },
  write: (value) => `${Number((Number(value) * 100).toPrecision(12))} %`,
  wants: 'Write a percentage, like 2 %.',
  inputMode: 'decimal',
};
const DURATION: Spelling = {
  read: (text) => parseDuration(text.replaceAll(' ', '').replaceAll('min', 'm')),
  write: (value) => formatDuration(Number(value)),
  wants: 'Write a length of time, like 30m, 2h or 1d12h.',
};
const MINUTES: Spelling = {
  ...DURATION,
  read: (text) => {
    const ms = DURATION.read(text);
    return typeof ms === 'number' ? ms / 60_000 : undefined;
  },
  write: (value) => formatDuration(Number(value) * 60_000),
};
const TEXT: Spelling = { read: (text) => text, write: String, wants: 'Write something.' };

export const NumberField = (props: FieldProps) => <SpelledField {...props} spelling={NUMBER} />;
export const ShareField = (props: FieldProps) => <SpelledField {...props} spelling={SHARE} />;
export const DurationField = (props: FieldProps) => <SpelledField {...props} spelling={DURATION} />;
export const MinutesField = (props: FieldProps) => <SpelledField {...props} spelling={MINUTES} />;
export const TextField = (props: FieldProps) => <SpelledField {...props} spelling={TEXT} />;

export function TickField({ path, label, hint }: FieldProps) {
  const { form, set, faults } = usePlanDesk();
  return (
    <Checkbox
      label={label}
      description={hint}
      checked={valueAt(form, path) === true}
      onChange={(event) => set(path, event.currentTarget.checked)}
      error={faultAt(faults, path)}
      data-path={path}
    />
  );
}
