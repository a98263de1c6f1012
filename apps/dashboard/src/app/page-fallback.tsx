/** What stands where a page's code is still on its way, or could not be shown. */
import { Button } from '@mantine/core';
import { useRouter, type ErrorComponentProps } from '@tanstack/react-router';
import { errorSentence } from '../data/api.js';
import { Waiting } from '../pieces/page-state.js';
import { PageHead } from './page-head.js';

export function PageWaiting() {
  return <Waiting headings={['']} />;
}

export function PageError({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const again = () => {
    reset();
    void router.invalidate();
  };
  // After an update of the server the files of the old page are gone.
  const isOldPage = /dynamically imported module|Importing a module script/i.test(
    error instanceof Error ? error.message : '',
  );
  return (
    <>
      <PageHead title="This page could not be shown" />
      <p>{isOldPage ? 'The server has a newer dashboard than this tab.' : errorSentence(error)}</p>
      <p>
        {isOldPage ? (
          <Button onClick={() => location.reload()}>Load it</Button>
        ) : (
          <Button onClick={again}>Try again</Button>
        )}
      </p>
    </>
  );
}
