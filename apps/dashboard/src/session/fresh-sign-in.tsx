/** Some acts want a sign-in of the last minutes. It is asked for in place, and then the act goes on. */
import { ApiProblemError } from '@drydock/api-client';
import { FRESH_SIGN_IN_MINUTES } from '@drydock/contracts';
import { Button } from '@mantine/core';
import { useSyncExternalStore } from 'react';
import { Dialog } from '../pieces/dialog.js';
import { SignInForm } from './sign-in-form.js';

interface Asking {
  readonly done: () => void;
  readonly leave: () => void;
}

let asking: Asking | undefined;
const listeners = new Set<() => void>();
function ask(next: Asking | undefined): void {
  asking = next;
  listeners.forEach((listener) => listener());
}

/**
 * Does it; where the server wants a fresh sign-in first, asks for one and does it then.
 * @throws what the act throws; its first refusal where the person does not sign in.
 */
export async function withFreshSignIn<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof ApiProblemError && error.code === 'sign-in.again')) throw error;
    await new Promise<void>((done, leave) => {
      asking?.leave();
      ask({ done, leave: () => leave(error) });
    }).finally(() => ask(undefined));
    return act();
  }
}

/** Stands in the shell, and shows itself when it is wanted. */
export function FreshSignIn() {
  const wanted = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => asking,
  );
  if (!wanted) return null;
  return (
    <Dialog title="Sign in again" close={wanted.leave}>
      <p className="muted" style={{ marginBottom: 12 }}>
        This is yours alone to do: it needs a sign-in that is no older than {FRESH_SIGN_IN_MINUTES} minutes. What you
        typed stays.
      </p>
      <SignInForm again returnTo={location.pathname + location.search} onSignedIn={wanted.done} />
      <div className="row" style={{ justifyContent: 'flex-end', marginTop: 12 }}>
        <Button onClick={wanted.leave}>Not now</Button>
      </div>
    </Dialog>
  );
}
