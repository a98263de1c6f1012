/** The command line that answers the same question as the page, copied by a press or by `y`. */
import { useRef } from 'react';
import { useKeys } from '../app/keys.js';
import { command, CopyButton } from './copy-button.js';

/** @param words behind `drydock`. */
export function CopyCommand({ words }: { words: readonly string[] }) {
  const box = useRef<HTMLSpanElement>(null);
  useKeys([{ keys: 'y', does: 'copy as command', act: () => box.current?.querySelector('button')?.click() }]);
  return (
    <span ref={box}>
      <CopyButton text={command(...words)} label="Copy as command" />
    </span>
  );
}
