import { answerOf } from '@drydock/api-client';
import { WEBHOOK_EVENT_KINDS, type Webhook, type WebhookEventKind } from '@drydock/contracts';
import { Checkbox, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { changing } from '../../data/api.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { conflictFields, ownChanges } from '../../pieces/own-changes.js';
import { ShownOnce } from '../../pieces/shown-once.js';
import { useSeen } from '../../pieces/use-seen.js';
import { webhookQuery } from './queries.js';

interface FieldsProps {
  readonly name: string;
  readonly setName: (text: string) => void;
  readonly url: string;
  readonly setUrl: (text: string) => void;
  readonly kinds: readonly string[];
  readonly setKinds: (kinds: readonly string[]) => void;
}

function WebhookFields({ name, setName, url, setUrl, kinds, setKinds }: FieldsProps) {
  return (
    <>
      <TextInput label="Name" maxLength={100} value={name} onChange={(event) => setName(event.currentTarget.value)} />
      <TextInput
        label="Address"
        description="https:// and where the system listens"
        type="url"
        spellCheck={false}
        value={url}
        onChange={(event) => setUrl(event.currentTarget.value)}
      />
      <Checkbox
        label="Everything, kinds of later releases too"
        checked={kinds.length === 0}
        onChange={(event) => setKinds(event.currentTarget.checked ? [] : ['campaign.halted'])}
      />
      {kinds.length > 0 && (
        <fieldset style={{ border: 0, margin: 0, padding: 0, columns: '200px 2' }}>
          <legend className="sr-only">Kinds</legend>
          {WEBHOOK_EVENT_KINDS.map((kind) => (
            <Checkbox
              key={kind}
              label={kind}
              style={{ breakInside: 'avoid', paddingBottom: 4 }}
              checked={kinds.includes(kind)}
              onChange={(event) =>
                setKinds(event.currentTarget.checked ? [...kinds, kind] : kinds.filter((each) => each !== kind))
              }
            />
          ))}
        </fieldset>
      )}
    </>
  );
}

const known = (kinds: readonly string[]): WebhookEventKind[] =>
  WEBHOOK_EVENT_KINDS.filter((kind) => kinds.includes(kind));

export function NewWebhookDialog({ close }: { close: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState('');
  const [url, setUrl] = useState('https://');
  const [kinds, setKinds] = useState<readonly string[]>([]);
  const [made, setMade] = useState<{ id: string; secret: string }>();
  if (made) {
    return (
      <SecretShown
        name={name}
        secret={made.secret}
        close={() => {
          close();
          void navigate({ to: '/webhooks/$id', params: { id: made.id }, search: {} });
        }}
      />
    );
  }
  return (
    <ConfirmDialog
      title="New webhook"
      verb="Create"
      keep="Close"
      staysOpen
      ready={name.trim() !== '' && URL.canParse(url)}
      close={close}
      act={async () => {
        const webhook = await answerOf(
          changing.POST('/api/v1/webhooks', { body: { name: name.trim(), url, kinds: known(kinds) } }),
        );
        void client.invalidateQueries({ queryKey: ['webhooks'] });
        setMade(webhook);
      }}
      fields={<WebhookFields {...{ name, setName, url, setUrl, kinds, setKinds }} />}
    >
      <p>
        Each delivery is signed with a secret that only the receiver knows, as the Standard Webhooks specification says.
      </p>
    </ConfirmDialog>
  );
}

export function SecretShown({ name, secret, close }: { name: string; secret: string; close: () => void }) {
  return (
    <ShownOnce title={`Secret of ${name}`} secret={secret} close={close}>
      <p>The receiver checks the header webhook-signature of each delivery with it.</p>
    </ShownOnce>
  );
}

export interface WebhookDialogProps {
  readonly webhook: Webhook;
  readonly close: () => void;
}

function useSeenWebhook(webhook: Webhook) {
  const client = useQueryClient();
  return useSeen(webhook, () => client.fetchQuery({ ...webhookQuery(webhook.id), staleTime: 0 }));
}

const changeOf = (webhook: Webhook) => ({
  path: { id: webhook.id },
  header: { 'If-Match': `"${webhook.revision}"` },
});

export function ChangeWebhookDialog({ webhook, close }: WebhookDialogProps) {
  const client = useQueryClient();
  const { seen, before, renew } = useSeenWebhook(webhook);
  const [name, setName] = useState(before.name);
  const [url, setUrl] = useState(before.url);
  const [kinds, setKinds] = useState<readonly string[]>(before.kinds);
  const mine = ownChanges(before, { name: name.trim(), url, kinds: known(kinds) });
  return (
    <ConfirmDialog
      title={`Change ${before.name}`}
      conflict={{
        kind: 'webhook',
        id: webhook.id,
        renew,
        fields: conflictFields(mine, seen, { name: 'Name', url: 'Address', kinds: 'Kinds' }),
      }}
      verb="Save"
      keep="Leave it"
      ready={name.trim() !== '' && URL.canParse(url)}
      close={close}
      act={async () => {
        await answerOf(
          changing.PATCH('/api/v1/webhooks/{id}', {
            params: changeOf(seen),
            body: mine,
          }),
        );
        await client.invalidateQueries({ queryKey: ['webhooks'] });
      }}
      fields={<WebhookFields {...{ name, setName, url, setUrl, kinds, setKinds }} />}
    >
      <p>What waits to be delivered goes to the new address.</p>
    </ConfirmDialog>
  );
}

export function SwitchWebhookDialog({ webhook, close }: WebhookDialogProps) {
  const client = useQueryClient();
  const { seen, before, renew } = useSeenWebhook(webhook);
  const { enabled } = before;
  return (
    <ConfirmDialog
      conflict={{ kind: 'webhook', id: webhook.id, renew }}
      title={enabled ? `Switch ${webhook.name} off?` : `Switch ${webhook.name} on?`}
      verb={enabled ? 'Switch off' : 'Switch on'}
      keep="Leave it"
      close={close}
      act={async () => {
        await answerOf(
          changing.PATCH('/api/v1/webhooks/{id}', { params: changeOf(seen), body: { enabled: !enabled } }),
        );
        await client.invalidateQueries({ queryKey: ['webhooks'] });
      }}
    >
      <p>
        {enabled
          ? 'Nothing is sent any more, and what waits is given up.'
          : 'It is told of what happens from now on. What waited meanwhile was given up and can be sent again one by one.'}
      </p>
    </ConfirmDialog>
  );
}

export function RemoveWebhookDialog({ webhook, close }: WebhookDialogProps) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { seen, renew } = useSeenWebhook(webhook);
  return (
    <ConfirmDialog
      conflict={{ kind: 'webhook', id: webhook.id, renew }}
      title={`Remove ${webhook.name}?`}
      verb="Remove"
      keep="Keep it"
      typed={webhook.name}
      danger
      close={close}
      act={async () => {
        await answerOf(changing.DELETE('/api/v1/webhooks/{id}', { params: changeOf(seen) }));
        void client.invalidateQueries({ queryKey: ['webhooks'], exact: true });
        await navigate({ to: '/webhooks' });
      }}
    >
      <p>The receiver hears nothing more, and the record of deliveries is gone with it.</p>
    </ConfirmDialog>
  );
}

export function NewSecretDialog({ webhook, close }: WebhookDialogProps) {
  const client = useQueryClient();
  const [secret, setSecret] = useState<string>();
  const { seen, renew } = useSeenWebhook(webhook);
  if (secret !== undefined) return <SecretShown name={webhook.name} secret={secret} close={close} />;
  return (
    <ConfirmDialog
      conflict={{ kind: 'webhook', id: webhook.id, renew }}
      title={`New secret for ${webhook.name}?`}
      verb="Make a new secret"
      keep="Keep the one it has"
      staysOpen
      close={close}
      act={async () => {
        const answer = await answerOf(changing.POST('/api/v1/webhooks/{id}/secret', { params: changeOf(seen) }));
        void client.invalidateQueries({ queryKey: ['webhooks'] });
        setSecret(answer.secret);
      }}
    >
      <p>For a day deliveries are signed with both, so that the receiver can change over without losing one.</p>
    </ConfirmDialog>
  );
}
