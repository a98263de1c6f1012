/** Who is there? Nobody: to the sign-in page, and back afterwards. Somebody: the shell. */
import { answerOf } from '@drydock/api-client';
import { Outlet, useLocation, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { errorSentence, isStatus, reading } from '../data/api.js';
import { TRY_AGAIN_MS } from '../data/query-client.js';
import { Failed, Waiting } from '../pieces/page-state.js';
import { FreshSignIn } from '../session/fresh-sign-in.js';
import { session } from '../session/session-store.js';
import { SignInAgain } from '../session/sign-in-again.js';
import { useSession, useSessionEnded } from '../session/use-session.js';
import { Shell } from './shell.js';

/** Pages for people who are not signed in. */
const OPEN_PAGES: readonly string[] = ['/sign-in', '/set-password'];

export function Root() {
  const location = useLocation();
  const navigate = useNavigate();
  const current = useSession();
  const ended = useSessionEnded();
  const isOpen = OPEN_PAGES.includes(location.pathname);
  const problem = useOwnSession(current === undefined && !isOpen);
  useEffect(() => {
    if (current !== null || isOpen) return;
    const returnTo = location.href === '/' ? undefined : location.href;
    void navigate({ to: '/sign-in', search: { returnTo }, replace: true });
  }, [current, isOpen, location.href, navigate]);

  if (isOpen) return <Outlet />;
  if (!current) {
    return problem === undefined ? <Waiting headings={['Drydock']} /> : <Failed error={problem} />;
  }
  return (
    <>
      <Shell />
      {ended && <SignInAgain />}
      <FreshSignIn />
    </>
  );
}

/** Asks the server who this browser is. @returns the error while it does not answer. */
function useOwnSession(wanted: boolean): Error | undefined {
  const [problem, setProblem] = useState<Error>();
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (!wanted) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    answerOf(reading.GET('/api/v1/session')).then(
      (own) => session.begin(own),
      (error: unknown) => {
        if (isStatus(error, 401)) return session.none();
        setProblem(error instanceof Error ? error : new Error(errorSentence(error)));
        timer = setTimeout(() => setTries((n) => n + 1), TRY_AGAIN_MS);
      },
    );
    return () => clearTimeout(timer);
  }, [wanted, tries]);
  return problem;
}
