import { answerOf } from '@drydock/api-client';
import { PASSWORD_LENGTH } from '@drydock/contracts';
import { Button, PasswordInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useState, type FormEvent } from 'react';
import { changing, errorSentence } from '../data/api.js';
import { Door } from './door.js';
import classes from './door.module.css';

export default function SetPasswordPage() {
  const [token] = useState(() => location.hash.slice(1));
  const [password, setPassword] = useState('');
  useEffect(() => {
    // The secret is not to stay in the address bar, nor in the history.
    history.replaceState(history.state, '', location.pathname);
  }, []);
  const setting = useMutation({
    mutationFn: () => answerOf(changing.POST('/api/v1/password', { body: { token, password } })),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setting.mutate();
  };
  if (token === '') {
    return (
      <Door title="Set a password">
        <p>This link is not complete: the part behind # is missing. Ask an admin for a new one.</p>
      </Door>
    );
  }
  if (setting.isSuccess) {
    return (
      <Door title="Your password is set">
        <p>
          <Link to="/sign-in" search={{}}>
            Sign in with it
          </Link>
        </p>
      </Door>
    );
  }
  return (
    <Door title="Set a password">
      <form onSubmit={submit} className={classes.form}>
        <PasswordInput
          label="New password"
          description={`${PASSWORD_LENGTH.min} to ${PASSWORD_LENGTH.max} characters, at least five different ones`}
          autoComplete="new-password"
          required
          withAsterisk={false}
          minLength={PASSWORD_LENGTH.min}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          error={setting.isError ? errorSentence(setting.error) : undefined}
        />
        <Button type="submit" variant="filled" loading={setting.isPending}>
          Set the password
        </Button>
      </form>
    </Door>
  );
}
