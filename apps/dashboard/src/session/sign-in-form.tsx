/** The ways in that the server offers: password, OpenID, API token. Used by the page and by the dialog. */
import { answerOf } from '@drydock/api-client';
import type { OwnSession, SignInWith } from '@drydock/contracts';
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { changing, errorSentence } from '../data/api.js';
import { signInMethodsQuery } from '../data/queries.js';
import { Failed, Waiting } from '../pieces/page-state.js';
import classes from './door.module.css';
import { session } from './session-store.js';

interface Props {
  /** Where an OpenID provider sends the browser in the end. */
  readonly returnTo: string;
  readonly onSignedIn: (own: OwnSession) => void;
  /** Whoever is signed in proves again that it is they; the session goes on. */
  readonly again?: boolean;
}

export function SignInForm({ returnTo, onSignedIn, again = false }: Props) {
  const methods = useQuery(signInMethodsQuery);
  const [byToken, setByToken] = useState(false);
  if (methods.isError) return <Failed error={methods.error} retry={() => void methods.refetch()} />;
  if (!methods.data) return <Waiting headings={[]} />;
  const { password, oidc } = methods.data;
  const showToken = byToken || (!password && oidc === null);
  return (
    <div className={classes.form}>
      {oidc !== null && (
        <Button
          component="a"
          variant={password ? 'default' : 'filled'}
          href={`/api/v1/session/oidc?${new URLSearchParams({ returnTo, ...(again && { again: '1' }) }).toString()}`}
        >
          Sign in with {oidc}
        </Button>
      )}
      {oidc !== null && (password || showToken) && <div className={classes.or}>or</div>}
      {showToken ? (
        <TokenForm onSignedIn={onSignedIn} again={again} />
      ) : (
        password && <PasswordForm onSignedIn={onSignedIn} again={again} />
      )}
      {(password || oidc !== null) && (
        <button type="button" className="plain-button" onClick={() => setByToken(!showToken)}>
          {showToken ? 'Use another way' : 'Use an API token'}
        </button>
      )}
    </div>
  );
}

type FormProps = Required<Pick<Props, 'onSignedIn' | 'again'>>;

function useOpening({ onSignedIn, again }: FormProps) {
  return useMutation({
    mutationFn: (body: SignInWith) =>
      answerOf(again ? changing.POST('/api/v1/session/confirm', { body }) : changing.POST('/api/v1/session', { body })),
    onSuccess: (own) => {
      session.begin(own);
      onSignedIn(own);
    },
  });
}

function PasswordForm(props: FormProps) {
  const opening = useOpening(props);
  const [email, setEmail] = useState((props.again && session.current()?.person.email) || '');
  const [password, setPassword] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    opening.mutate({ with: 'password', email, password });
  };
  return (
    <form onSubmit={submit} className={classes.form}>
      <TextInput
        label="E-mail address"
        type="email"
        name="email"
        autoComplete="username"
        required
        withAsterisk={false}
        data-autofocus
        value={email}
        onChange={(event) => setEmail(event.currentTarget.value)}
      />
      <PasswordInput
        label="Password"
        name="password"
        autoComplete="current-password"
        required
        withAsterisk={false}
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        error={opening.isError ? errorSentence(opening.error) : undefined}
      />
      <Button type="submit" variant="filled" loading={opening.isPending}>
        Sign in
      </Button>
    </form>
  );
}

function TokenForm(props: FormProps) {
  const opening = useOpening(props);
  const [token, setToken] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    opening.mutate({ with: 'token', token: token.trim() });
  };
  return (
    <form onSubmit={submit} className={classes.form}>
      <PasswordInput
        label="API token"
        description="The first admin’s token was shown once, when the server started for the first time."
        name="token"
        autoComplete="off"
        required
        withAsterisk={false}
        data-autofocus
        value={token}
        onChange={(event) => setToken(event.currentTarget.value)}
        error={opening.isError ? errorSentence(opening.error) : undefined}
      />
      <Button type="submit" variant="filled" loading={opening.isPending}>
        Sign in
      </Button>
    </form>
  );
}
