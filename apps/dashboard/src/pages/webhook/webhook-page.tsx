/** Did they hear it? */
import { answerOf } from '@drydock/api-client';
import type { Webhook, WebhookDelivery } from '@drydock/contracts';
import { Button, Menu } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { PageHead } from '../../app/page-head.js';
import { changing, errorSentence, reading } from '../../data/api.js';
import { useKeysetRows } from '../../data/keyset.js';
import { counted } from '../../format/numbers.js';
import { AuditLines } from '../../pieces/audit-lines.js';
import { ChipLinks } from '../../pieces/chip-links.js';
import { DataTable, type Column } from '../../pieces/data-table.js';
import { Facts } from '../../pieces/facts.js';
import { Note } from '../../pieces/note.js';
import { Empty, Part } from '../../pieces/page-state.js';
import { StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { webhookQuery } from '../webhooks/queries.js';
import {
  ChangeWebhookDialog,
  NewSecretDialog,
  RemoveWebhookDialog,
  SwitchWebhookDialog,
} from '../webhooks/webhook-dialogs.js';
import { deliveryLook, webhookLook } from '../webhooks/webhook-look.js';
import { DeliveryDrawer } from './delivery-drawer.js';
import { DELIVERY_SHOWS } from './search.js';

const route = getRouteApi('/webhooks/$id');
const CRUMBS = [{ to: '/webhooks', label: 'Webhooks' }];

const COLUMNS: readonly Column<WebhookDelivery>[] = [
  { key: 'at', head: 'Time', width: '132px', cell: (row) => <Time at={row.createdAt} fixed /> },
  { key: 'kind', head: 'Event', card: 'first', cell: (row) => <code>{row.kind}</code> },
  { key: 'state', head: 'State', width: '128px', cell: (row) => <StateMark look={deliveryLook(row.state)} /> },
  { key: 'tries', head: 'Tries', width: '64px', align: 'right', card: 'none', cell: (row) => row.attempts },
  { key: 'next', head: 'Next try', width: '120px', card: 'none', cell: (row) => <Time at={row.nextAt} /> },
];

export default function WebhookPage() {
  const { id } = route.useParams();
  const webhook = useQuery(webhookQuery(id));
  return (
    <>
      <PageHead
        title={webhook.data?.name ?? 'Webhook'}
        crumbs={CRUMBS}
        aside={webhook.data && <Actions webhook={webhook.data} />}
      />
      <Part query={webhook}>{(found) => <Found webhook={found} />}</Part>
    </>
  );
}

function Found({ webhook }: { webhook: Webhook }) {
  return (
    <>
      <p className="row">
        <StateMark look={webhookLook(webhook)} strong />
        <span>
          last heard <Time at={webhook.lastSuccessAt} />
        </span>
        <code>{webhook.url}</code>
      </p>
      {!webhook.enabled && (
        <Note>
          Switched off
          {webhook.disabledAt !== null && (
            <>
              {' '}
              <Time at={webhook.disabledAt} fixed />
            </>
          )}
          : {webhook.disabledReason ?? 'by a person'}. Nothing is sent.
        </Note>
      )}
      {webhook.enabled && webhook.failingSince !== null && (
        <Note bad>
          Failing since <Time at={webhook.failingSince} fixed />, {counted(webhook.failures, 'try', 'tries')} in a row.
          It is tried again by itself, ever more slowly; after days without success it is switched off.
        </Note>
      )}
      <section className="panel" aria-labelledby="about">
        <header>
          <h2 id="about">What it is told of</h2>
        </header>
        <Facts
          facts={[
            ['Events', webhook.kinds.length === 0 ? 'everything' : webhook.kinds.join(', ')],
            [
              'Secret',
              webhook.previousSecretUntil === null ? (
                'one, shown when it was made'
              ) : (
                <>
                  two: the one before still signs until <Time at={webhook.previousSecretUntil} fixed />
                </>
              ),
            ],
            ['Made', <Time key="made" at={webhook.createdAt} fixed />],
          ]}
        />
      </section>
      <Deliveries webhook={webhook} />
      <AuditLines kind="webhook" id={webhook.id} title="Audit of this webhook" />
    </>
  );
}

function Deliveries({ webhook: { id } }: { webhook: Webhook }) {
  const { state, delivery } = route.useSearch();
  const navigate = route.useNavigate();
  const rows = useKeysetRows<WebhookDelivery>(
    ['webhooks', id, 'deliveries', state],
    (after) =>
      answerOf(
        reading.GET('/api/v1/webhooks/{id}/deliveries', {
          params: {
            path: { id },
            query: { limit: 200, ...(after !== undefined && { after }), ...(state !== undefined && { state }) },
          },
        }),
      ),
    { renewEveryMs: 3_000 },
  );
  const open = (row: WebhookDelivery | undefined) =>
    void navigate({
      search: (before) => ({ ...before, delivery: row?.id }),
      replace: delivery !== undefined,
      resetScroll: false,
    });
  return (
    <section className="stack" aria-labelledby="deliveries">
      <h2 id="deliveries">Deliveries of the last 30 days</h2>
      <ChipLinks
        label="Which deliveries"
        chips={[undefined, ...DELIVERY_SHOWS].map((each) => ({
          label: each === undefined ? 'all' : <StateMark look={deliveryLook(each)} />,
          search: { state: each },
          current: each === state,
        }))}
      />
      <DataTable
        label="Deliveries"
        columns={COLUMNS}
        rowKey={(row) => row.id}
        rows={rows}
        onOpen={open}
        rowKeys={{ ' ': open }}
        openKey={delivery}
        onWalk={open}
        empty={
          <Empty>
            <p>
              {state === undefined ? 'Nothing has been sent yet. “Send a ping” tries it.' : `No delivery is ${state}.`}
            </p>
          </Empty>
        }
      />
      {delivery !== undefined && <DeliveryDrawer webhook={id} delivery={delivery} close={() => open(undefined)} />}
    </section>
  );
}

const DIALOGS = {
  change: ChangeWebhookDialog,
  secret: NewSecretDialog,
  switch: SwitchWebhookDialog,
  remove: RemoveWebhookDialog,
} as const;

function Actions({ webhook }: { webhook: Webhook }) {
  const client = useQueryClient();
  const [open, setOpen] = useState<keyof typeof DIALOGS>();
  const [said, setSaid] = useState('');
  const Dialog = open === undefined ? undefined : DIALOGS[open];
  const ping = async () => {
    setSaid('');
    try {
      await answerOf(changing.POST('/api/v1/webhooks/{id}/ping', { params: { path: { id: webhook.id } } }));
      setSaid('A ping is on its way.');
      await client.invalidateQueries({ queryKey: ['webhooks', webhook.id] });
    } catch (error) {
      setSaid(`Not sent. ${errorSentence(error)}`);
    }
  };
  return (
    <span className="row">
      <span role="status" className="small muted">
        {said}
      </span>
      <Button disabled={!webhook.enabled} onClick={() => void ping()}>
        Send a ping
      </Button>
      <Menu position="bottom-end" width={220} transitionProps={{ duration: 0 }}>
        <Menu.Target>
          <Button aria-label="More actions">⋯</Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => setOpen('change')}>Change…</Menu.Item>
          <Menu.Item onClick={() => setOpen('secret')}>New secret…</Menu.Item>
          <Menu.Item onClick={() => setOpen('switch')}>{webhook.enabled ? 'Switch off…' : 'Switch on…'}</Menu.Item>
          <Menu.Divider />
          <Menu.Item onClick={() => setOpen('remove')}>Remove…</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {Dialog && <Dialog webhook={webhook} close={() => setOpen(undefined)} />}
    </span>
  );
}
