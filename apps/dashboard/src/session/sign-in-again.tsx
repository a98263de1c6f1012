import { answerOf } from '@drydock/api-client';
import { useEffect } from 'react';
import { reading } from '../data/api.js';
import { queryClient } from '../data/query-client.js';
import { Dialog } from '../pieces/dialog.js';
import { session } from './session-store.js';
import { SignInForm } from './sign-in-form.js';

/** The session ended while somebody worked: what is on screen and in fields stays, and goes on afterwards. */
export function SignInAgain() {
  useEffect(() => {
    // Perhaps it was done in another tab.
    const look = () =>
      void answerOf(reading.GET('/api/v1/session')).then(
        (own) => {
          session.begin(own);
          void queryClient.invalidateQueries({ refetchType: 'active' });
        },
        () => undefined,
      );
    window.addEventListener('focus', look);
    return () => window.removeEventListener('focus', look);
  }, []);
  return (
    <Dialog title="Your session ended">
      <p className="muted" style={{ marginBottom: 12 }}>
        What you typed is still there. Sign in to go on.
      </p>
      <SignInForm
        returnTo={location.pathname + location.search}
        onSignedIn={() => void queryClient.invalidateQueries({ refetchType: 'active' })}
      />
    </Dialog>
  );
}
