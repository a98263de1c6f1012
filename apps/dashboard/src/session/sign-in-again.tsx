import { Modal } from '@mantine/core';
import { queryClient } from '../data/query-client.js';
import { SignInForm } from './sign-in-form.js';

/** The session ended while somebody worked: what is on screen and in fields stays, and goes on afterwards. */
export function SignInAgain() {
  return (
    <Modal
      opened
      onClose={() => undefined}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title="Your session ended"
      overlayProps={{ backgroundOpacity: 0.6 }}
    >
      <p className="muted" style={{ marginBottom: 12 }}>
        What you typed is still there. Sign in to go on.
      </p>
      <SignInForm
        returnTo={location.pathname + location.search}
        onSignedIn={() => void queryClient.invalidateQueries({ refetchType: 'active' })}
      />
    </Modal>
  );
}
