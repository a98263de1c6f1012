/** A secret, on the one occasion that it can be seen. */
import { Button } from '@mantine/core';
import type { ReactNode } from 'react';
import { CopyButton } from './copy-button.js';
import { Dialog } from './dialog.js';
import classes from './shown-once.module.css';

export interface ShownOnceProps {
  readonly title: string;
  /** What it is for, and until when it is good. */
  readonly children: ReactNode;
  readonly secret: string;
  /** What the reader does next with it, ready to be pasted. */
  readonly command?: { readonly label: string; readonly text: string };
  readonly close: () => void;
}

export function ShownOnce({ title, children, secret, command, close }: ShownOnceProps) {
  return (
    <Dialog title={title} size="lg">
      <div className="stack" style={{ gap: 12 }}>
        <div className="stack">{children}</div>
        <p>
          <strong>It is shown this once.</strong> Nobody can look it up later.
        </p>
        <Secret text={secret} what="the secret" />
        {command && (
          <>
            <p>{command.label}</p>
            <Secret text={command.text} what="the command" />
          </>
        )}
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button variant="filled" data-autofocus onClick={close}>
            I have stored it
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

function Secret({ text, what }: { text: string; what: string }) {
  return (
    <div className={classes.secret}>
      <code tabIndex={0} aria-label={what}>
        {text}
      </code>
      <CopyButton text={text} label="Copy" what={`Copy ${what}`} />
    </div>
  );
}
