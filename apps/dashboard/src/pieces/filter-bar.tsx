/** The filter of a list: RSQL text with coloured parts, completed from field to operator to value. `/` goes to it. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { useKeys } from '../app/keys.js';
import { completionAt, filterValue, OPERATORS, rewriteBareWords, tokenize } from './filter-text.js';
import classes from './filter-bar.module.css';

export interface FilterField {
  readonly name: string;
  /** Said beside its name: "where it stands". */
  readonly hint?: string;
  /** Signs that it takes; left out: all. */
  readonly operators?: readonly string[];
  /** Values that are known, perhaps with how many have them. */
  readonly values?: readonly KnownValue[];
}
interface KnownValue {
  readonly value: string;
  /** What people call it, where the value is an id. */
  readonly label?: string;
  readonly count?: number | null;
}

export interface FilterBarProps {
  readonly label: string;
  /** The filter that is in the address. */
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** At every key, for what is looked at while one types. */
  readonly onType?: (text: string) => void;
  readonly fields: readonly FilterField[];
  /** Asks for values of a field whose own are not given; see `filterValues` of data/filter-help. */
  readonly loadValues?: (field: string, typed: string) => Promise<readonly KnownValue[]>;
  /** Fields that a bare word is looked for in. */
  readonly bareWords?: readonly string[];
  /** What the server says against it. */
  readonly error?: string | undefined;
  /** How many match, for one. */
  readonly aside?: ReactNode;
  readonly placeholder?: string;
  /** It is not the page's own filter: `/` does not go to it. */
  readonly quiet?: boolean;
}

const MOST_SHOWN = 10;
const HISTORY = 12;

export function FilterBar(props: FilterBarProps) {
  const { label, value, onChange, fields, bareWords = [], error, aside, placeholder, loadValues, onType } = props;
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(value);
  const [caret, setCaret] = useState(0);
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const [scroll, setScroll] = useState(0);
  useEffect(() => setText(value), [value]);
  useKeys(props.quiet ? [] : [{ keys: '/', does: 'go to the filter', act: () => input.current?.focus() }]);

  const storage = `drydock-filters-${label}`;
  const wanted = completionAt(text, caret);
  const asks = open && loadValues !== undefined && wanted.wants === 'value' && wanted.field !== undefined;
  const asked = useQuery({
    queryKey: ['filter-values', label, wanted.field, asks ? wanted.typed : ''],
    queryFn: () => loadValues!(wanted.field!, wanted.typed),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    enabled: asks && fields.some((field) => field.name === wanted.field && field.values === undefined),
  });
  const choices = open ? choicesAt(text, caret, fields, readHistory(storage), asked.data ?? []) : [];
  const apply = (given: string) => {
    const rewritten = rewriteBareWords(given, bareWords).trim();
    setText(rewritten);
    setOpen(false);
    if (rewritten !== '') keepHistory(storage, rewritten);
    if (rewritten !== value) onChange(rewritten);
  };
  const take = (choice: Choice) => {
    const next = choice.whole ?? text.slice(0, choice.from) + choice.insert + text.slice(caret);
    setText(next);
    onType?.(next);
    setAt(0);
    if (choice.whole !== undefined) return apply(choice.whole);
    const position = choice.from + choice.insert.length;
    requestAnimationFrame(() => {
      input.current?.setSelectionRange(position, position);
      setCaret(position);
    });
  };
  const onKey = (event: KeyboardEvent) => {
    const choice = choices[at];
    if (event.key === 'Tab' && choice && !event.shiftKey) take(choice);
    else if (event.key === 'ArrowDown') {
      if (open) setAt((n) => Math.min(n + 1, choices.length - 1));
      setOpen(true);
    } else if (event.key === 'ArrowUp' && open) setAt((n) => Math.max(n - 1, 0));
    else if (event.key === 'Escape' && open) setOpen(false);
    else if (event.key === 'Enter') apply(text);
    else return;
    event.preventDefault();
  };
  return (
    <div className={classes.bar}>
      <div className={classes.field} data-wrong={error !== undefined || undefined}>
        <div className={classes.ink} aria-hidden>
          <span style={{ marginLeft: -scroll }}>
            {tokenize(text).map((token) => (
              <span key={token.start} data-kind={token.kind}>
                {token.text}
              </span>
            ))}
          </span>
        </div>
        <input
          ref={input}
          className={classes.input}
          role="combobox"
          aria-label={label}
          aria-expanded={choices.length > 0}
          aria-controls={choices.length > 0 ? `${id}-choices` : undefined}
          aria-autocomplete="list"
          aria-activedescendant={choices[at] ? `${id}-${at}` : undefined}
          aria-invalid={error !== undefined}
          aria-describedby={error !== undefined ? `${id}-error` : undefined}
          spellCheck={false}
          autoComplete="off"
          placeholder={placeholder ?? 'filter, e.g. state==failed'}
          value={text}
          onChange={(event) => {
            setText(event.currentTarget.value);
            onType?.(event.currentTarget.value);
            setCaret(event.currentTarget.selectionStart ?? 0);
            setOpen(true);
            setAt(0);
          }}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart ?? 0)}
          onScroll={(event) => setScroll(event.currentTarget.scrollLeft)}
          onKeyDown={onKey}
          onBlur={() => {
            setOpen(false);
            apply(text);
          }}
        />
        {text !== '' && (
          <button
            type="button"
            className={`plain-button ${classes.clear}`}
            aria-label="Clear the filter"
            onClick={() => apply('')}
          >
            ✕
          </button>
        )}
        {choices.length > 0 && (
          <ul id={`${id}-choices`} role="listbox" aria-label="Completions" className={classes.choices}>
            {choices.map((choice, index) => (
              <li
                key={choice.label}
                id={`${id}-${index}`}
                role="option"
                aria-selected={index === at}
                // Before the field loses its focus.
                onPointerDown={(event) => {
                  event.preventDefault();
                  take(choice);
                }}
              >
                <span className="mono">{choice.label}</span>
                <span className="muted small">{choice.hint}</span>
              </li>
            ))}
          </ul>
        )}
      </div>
      {aside !== undefined && <span className="small muted nowrap">{aside}</span>}
      {error !== undefined && (
        <p id={`${id}-error`} className={classes.error} role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

interface Choice {
  readonly label: string;
  readonly hint: string;
  readonly from: number;
  readonly insert: string;
  /** A whole filter of the history. */
  readonly whole?: string;
}

function choicesAt(
  text: string,
  caret: number,
  fields: readonly FilterField[],
  history: readonly string[],
  asked: readonly KnownValue[],
): Choice[] {
  const wanted = completionAt(text, caret);
  const fits = (label: string) => label.toLowerCase().startsWith(wanted.typed.toLowerCase()) && label !== wanted.typed;
  const from = wanted.from;
  let choices: Choice[];
  if (wanted.wants === 'field') {
    choices = fields
      .filter((field) => fits(field.name))
      .map((field) => ({ label: field.name, hint: field.hint ?? '', from, insert: field.name }));
    const exact = fields.find((field) => field.name === wanted.typed);
    if (exact) {
      const signs = exact.operators ?? OPERATORS.slice(0, 4);
      choices = signs.map((sign) => ({ label: sign, hint: '', from: caret, insert: sign }));
    }
  } else if (wanted.wants === 'operator') {
    const signs = fields.find((field) => field.name === wanted.field)?.operators ?? OPERATORS;
    choices = signs.map((sign) => ({ label: sign, hint: '', from, insert: sign }));
  } else {
    const values = fields.find((field) => field.name === wanted.field)?.values ?? asked;
    choices = values
      .filter(({ value, label }) => fits(value) || (label !== undefined && fits(label)))
      .map(({ value, label, count }) => ({
        label: label ?? value,
        hint: count === undefined || count === null ? '' : String(count),
        from,
        insert: filterValue(value),
      }));
  }
  const past =
    text === '' ? history.map((whole) => ({ label: whole, hint: 'before', from: 0, insert: '', whole })) : [];
  return [...past.slice(0, 4), ...choices].slice(0, MOST_SHOWN);
}

function readHistory(storage: string): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(storage) ?? '[]');
    return Array.isArray(kept) ? kept.filter((each) => typeof each === 'string') : [];
  } catch {
    return [];
  }
}

function keepHistory(storage: string, text: string): void {
  const kept = [text, ...readHistory(storage).filter((each) => each !== text)].slice(0, HISTORY);
  localStorage.setItem(storage, JSON.stringify(kept));
}
