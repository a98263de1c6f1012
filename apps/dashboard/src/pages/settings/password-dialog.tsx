import { answerOf } from '@drydock/api-client';
import { PASSWORD_LENGTH } from '@drydock/contracts';
import { PasswordInput } from '@mantine/core';
import { useState } from 'react';
import { changing, reading } from '../../data/api.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { withFreshSignIn } from '../../session/fresh-sign-in.js';
import { session } from '../../session/session-store.js';

export function PasswordDialog({ hasPassword, close }: { hasPassword: boolean; close: () => void }) {
  const [current, setCurrent] = useState('');
  const [password, setPassword] = useState('');
  const isLong = [...password].length >= PASSWORD_LENGTH.min;
  return (
    <ConfirmDialog
      title={hasPassword ? 'Change your password' : 'Set a password'}
      verb="Save"
      keep="Leave it"
      ready={isLong && (!hasPassword || current !== '')}
      close={close}
      act={async () => {
        await withFreshSignIn(() =>
          answerOf(changing.PUT('/api/v1/me/password', { body: { password, ...(hasPassword && { current }) } })),
        );
        session.begin(await answerOf(reading.GET('/api/v1/session')));
      }}
      fields={
        <>
          {hasPassword && (
            <PasswordInput
              label="Password now"
              autoComplete="current-password"
              value={current}
              onChange={(event) => setCurrent(event.currentTarget.value)}
            />
          )}
          <PasswordInput
            label="New password"
            description={`At least ${PASSWORD_LENGTH.min} characters. Four words that do not belong together are better than signs.`}
            autoComplete="new-password"
            maxLength={PASSWORD_LENGTH.max}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
        </>
      }
    >
      <p>Other places where you are signed in are signed out.</p>
    </ConfirmDialog>
  );
}
