/** Go anywhere, do anything: pages, campaigns by name, and whatever the page at hand has bound to keys. */
import { TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useState, type KeyboardEvent } from 'react';
import { campaignNamesQuery } from '../data/campaign-names.js';
import { Dialog } from '../pieces/dialog.js';
import { currentKeys } from './keys.js';
import classes from './palette.module.css';

interface Choice {
  readonly label: string;
  readonly hint: string;
  readonly act: () => void;
}
const MOST_SHOWN = 12;

export default function Palette({ close }: { close: () => void }) {
  const navigate = useNavigate();
  const [query, setQuery] = useState('');
  const [at, setAt] = useState(0);
  const campaigns = useQuery(campaignNamesQuery).data;
  const bindings = useMemo(() => currentKeys().filter(({ keys }) => keys !== 'Mod+k'), []);
  const choices = useMemo<Choice[]>(() => {
    const pages = bindings.map(({ keys, does, act }) => ({ label: does, hint: keys, act }));
    const named = (campaigns ?? []).map(({ name }) => ({
      label: name,
      hint: 'campaign',
      act: () => void navigate({ to: '/campaigns/$name', params: { name }, search: {} }),
    }));
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    return [...pages, ...named]
      .filter(({ label }) => words.every((word) => label.toLowerCase().includes(word)))
      .slice(0, MOST_SHOWN);
  }, [bindings, campaigns, query, navigate]);
  const choose = (choice: Choice | undefined) => {
    if (!choice) return;
    close();
    choice.act();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setAt((n) => Math.min(n + 1, choices.length - 1));
    else if (event.key === 'ArrowUp') setAt((n) => Math.max(n - 1, 0));
    else if (event.key === 'Enter') choose(choices[at]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title="Go or do anything" hideTitle high close={close}>
      <TextInput
        data-autofocus
        aria-label="Go or do anything"
        placeholder="Page, campaign, or action"
        role="combobox"
        aria-expanded
        aria-controls="palette-choices"
        aria-activedescendant={choices[at] ? `palette-${at}` : undefined}
        value={query}
        onChange={(event) => {
          setQuery(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
      />
      <ul role="listbox" id="palette-choices" aria-label="Choices" className={classes.list}>
        {choices.map((choice, index) => (
          <li
            key={`${choice.hint} ${choice.label}`}
            id={`palette-${index}`}
            role="option"
            aria-selected={index === at}
            className={classes.choice}
            onPointerMove={() => setAt(index)}
            onClick={() => choose(choice)}
          >
            <span>{choice.label}</span>
            <span className="muted small">{choice.hint}</span>
          </li>
        ))}
      </ul>
      {choices.length === 0 && <p className="muted">Nothing is called that.</p>}
    </Dialog>
  );
}
