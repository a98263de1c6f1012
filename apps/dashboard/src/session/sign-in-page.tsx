import { errorSentence as sentenceOfCode, isErrorCode } from '@drydock/contracts';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { queryClient } from '../data/query-client.js';
import { Door } from './door.js';
import { SignInForm } from './sign-in-form.js';

const route = getRouteApi('/sign-in');

/** Only paths of this server: a link must not lead elsewhere after sign-in. */
function ownPath(given: string | undefined): string {
  return given !== undefined && /^\/(?![/\\])/.test(given) && !given.startsWith('/sign-in') ? given : '/';
}

export default function SignInPage() {
  const { error, detail, returnTo } = route.useSearch();
  const router = useRouter();
  const target = ownPath(returnTo);
  return (
    <Door title="Sign in">
      {error !== undefined && (
        <p role="alert">
          {detail ?? (isErrorCode(error) ? sentenceOfCode(error) : 'The sign-in did not come to its end.')}{' '}
          <span className="muted small mono">{error}</span>
        </p>
      )}
      <SignInForm
        returnTo={target}
        onSignedIn={() => {
          queryClient.clear();
          router.history.replace(target);
        }}
      />
    </Door>
  );
}
