/** Said before it is done: the effect, the number, the end. The button carries the verb; Escape never acts. */
import { Button, Textarea, TextInput } from '@mantine/core';
import { useId, useState, type FormEvent, type ReactNode } from 'react';
import { ApiUnreachableError } from '@drydock/api-client';
import { errorSentence, isStatus } from '../data/api.js';
import { Conflict, type ConflictSubject } from './conflict.js';
import { CopyButton } from './copy-button.js';
import { Dialog } from './dialog.js';

export interface ConfirmProps {
  readonly title: string;
  /** What happens, in numbers. */
  readonly children: ReactNode;
  /** Fields to fill in, below what is said. */
  readonly fields?: ReactNode;
  /** "Pause now": never OK or Yes. */
  readonly verb: string;
  /** "Keep running". */
  readonly keep: string;
  readonly close: () => void;
  /** Does it. The dialog closes when it is done, and says so when it is not. */
  readonly act: (reason: string) => Promise<unknown>;
  readonly reason?: 'optional' | 'required';
  /** To be typed in full before it can be pressed. */
  readonly typed?: string;
  readonly danger?: boolean;
  /** `act` itself says what comes next; the dialog does not close behind it. */
  readonly staysOpen?: boolean;
  /** Where the first focus lies; on the safe button but for a pause. */
  readonly focusOn?: 'act' | 'keep';
  /** The same by hand, shown when the request did not get through. */
  readonly command?: string;
  /** What it is about: where somebody else was first, it is read anew and said, and can be applied on top. */
  readonly conflict?: ConflictSubject;
  /** More that must be true: a tick, for one. */
  readonly ready?: boolean;
}

export function ConfirmDialog(props: ConfirmProps) {
  const { title, verb, keep, close, act, reason, typed, danger = false, focusOn = 'keep', ready = true } = props;
  const { staysOpen = false } = props;
  const [text, setText] = useState('');
  const [name, setName] = useState('');
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const id = useId();
  const isReady = ready && (typed === undefined || name === typed) && (reason !== 'required' || text.trim() !== '');
  const isLate = props.conflict !== undefined && isStatus(error, 412);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!isReady || busy) return;
    setBusy(true);
    setError(undefined);
    try {
      await act(text.trim());
      if (!staysOpen) close();
    } catch (problem) {
      // What holds now could not be read either: that somebody was first is said all the same.
      if (isStatus(problem, 412)) await props.conflict?.renew().catch(() => undefined);
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} close={close} size="lg">
      <form
        aria-describedby={`${id}-what`}
        onSubmit={(event) => void submit(event)}
        className="stack"
        style={{ gap: 12 }}
      >
        <div id={`${id}-what`} className="stack">
          {props.children}
        </div>
        {props.fields}
        {reason !== undefined && (
          <Textarea
            label={reason === 'required' ? 'Reason' : 'Reason (optional)'}
            autosize
            minRows={1}
            maxRows={5}
            maxLength={500}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
        )}
        {typed !== undefined && (
          <TextInput
            label={`Type ${typed} to ${verb.toLowerCase()}`}
            autoComplete="off"
            spellCheck={false}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
        )}
        {isLate && props.conflict && <Conflict subject={props.conflict} onTop={`${verb} on top`} />}
        {error !== undefined && !isLate && (
          <p role="alert">
            {error instanceof ApiUnreachableError
              ? 'The server did not answer within 30 s. Whether it was done is not known; to press again does it at most once more. '
              : `Not done. ${errorSentence(error)} `}
            {props.command !== undefined && <CopyButton text={props.command} label="Copy command" />}
          </p>
        )}
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button type="button" onClick={close} {...(focusOn === 'keep' && { 'data-autofocus': true })}>
            {keep}
          </Button>
          <Button
            type="submit"
            variant={danger ? 'danger' : 'filled'}
            disabled={!isReady}
            loading={busy}
            {...(focusOn === 'act' && { 'data-autofocus': true })}
          >
            {isLate ? `${verb} on top` : verb}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
