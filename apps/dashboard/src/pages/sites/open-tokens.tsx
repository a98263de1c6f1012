/** One-time tokens that a gateway could still use. */
import { answerOf } from '@drydock/api-client';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changing } from '../../data/api.js';
import type { EnrolmentToken, Site } from '../../data/shapes.js';
import { useServerNow } from '../../live/use-live.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { Time } from '../../pieces/time.js';

interface Props {
  readonly tokens: readonly EnrolmentToken[];
  readonly sites: readonly Site[];
}

export function OpenTokens({ tokens, sites }: Props) {
  const client = useQueryClient();
  const now = useServerNow(10_000);
  const [revoking, setRevoking] = useState<EnrolmentToken>();
  const open = tokens.filter((token) => token.usedAt === null && Date.parse(token.expiresAt) > now);
  const siteOf = (token: EnrolmentToken) => sites.find((site) => site.id === token.site)?.name ?? 'a site';
  if (open.length === 0) return null;
  return (
    <section className="panel" aria-labelledby="tokens">
      <header>
        <h2 id="tokens">Tokens that nobody has used yet</h2>
      </header>
      <ul style={{ margin: 0, paddingLeft: 18 }}>
        {open.map((token) => (
          <li key={token.id}>
            for {siteOf(token)}, made <Time at={token.createdAt} />, works until <Time at={token.expiresAt} fixed />{' '}
            <button type="button" className="plain-button" onClick={() => setRevoking(token)}>
              Revoke…
            </button>
          </li>
        ))}
      </ul>
      {revoking && (
        <ConfirmDialog
          title={`Revoke the token for ${siteOf(revoking)}?`}
          verb="Revoke"
          keep="Keep it"
          danger
          close={() => setRevoking(undefined)}
          act={async () => {
            await answerOf(changing.DELETE('/api/v1/enrolment-tokens/{id}', { params: { path: { id: revoking.id } } }));
            await client.invalidateQueries({ queryKey: ['enrolment-tokens'] });
          }}
        >
          <p>No gateway can enrol with it any more. Gateways that are enrolled are not touched.</p>
        </ConfirmDialog>
      )}
    </section>
  );
}
