/** Tokens that sign in as you. */
import { PageHead } from '../../app/page-head.js';
import { useSession } from '../../session/use-session.js';
import { SettingsNav } from './settings-nav.js';
import { Tokens } from './tokens.js';

export default function TokensPage() {
  const current = useSession();
  return (
    <>
      <PageHead title="Your tokens" />
      <SettingsNav />
      {current && <Tokens person={current.person.id} title="API tokens" />}
    </>
  );
}
