/** Copies a text: a command that does what the page does, an id whole. */
import { useState } from 'react';

/** @param what for those who do not see it: "the command". */
export function CopyButton({ text, label, what }: { text: string; label: string; what?: string }) {
  const [said, setSaid] = useState('');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid('copied');
    } catch {
      // Without TLS a page may not write to the clipboard: the text is shown to be copied by hand.
      setSaid(text);
    }
    setTimeout(() => setSaid(''), 6_000);
  };
  return (
    <span>
      <button type="button" className="plain-button" title={text} aria-label={what} onClick={() => void copy()}>
        {label}
      </button>
      <span role="status" className="small muted">
        {said !== '' && ` ${said}`}
      </span>
    </span>
  );
}

/** A word of a command line, quoted where a shell would cut it (POSIX, single quotes). */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** `drydock campaign show NAME`. */
export function command(...words: readonly string[]): string {
  return ['drydock', ...words].map(shellWord).join(' ');
}
