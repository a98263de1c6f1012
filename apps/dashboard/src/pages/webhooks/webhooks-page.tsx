/** Who is told what happens here, and do they hear it? */
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { PageHead } from '../../app/page-head.js';
import { counted } from '../../format/numbers.js';
import { Allowed, Empty, Part } from '../../pieces/page-state.js';
import { SimpleTable } from '../../pieces/simple-table.js';
import { StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { useMayDo } from '../../session/use-session.js';
import { NewWebhookDialog } from './webhook-dialogs.js';
import { webhookLook } from './webhook-look.js';
import { webhooksQuery } from './queries.js';

export default function WebhooksPage() {
  const admin = useMayDo('admin');
  const webhooks = useQuery({ ...webhooksQuery, enabled: admin.may });
  const [creating, setCreating] = useState(false);
  const create = (
    <Allowed why={admin.why}>
      {(disabled) => (
        <Button variant="filled" disabled={disabled} onClick={() => setCreating(true)}>
          New webhook…
        </Button>
      )}
    </Allowed>
  );
  return (
    <>
      <PageHead title="Webhooks" aside={create} />
      {!admin.may ? (
        <Empty>
          <p>{admin.why} Webhooks carry what happens here to other systems.</p>
        </Empty>
      ) : (
        <Part query={webhooks}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty>
                <p>
                  No webhook yet. A webhook tells another system over HTTP what happens here: a campaign halted, an
                  approval wanted, devices failed.
                </p>
              </Empty>
            ) : (
              <SimpleTable
                label="Webhooks"
                head={['Webhook', 'Told of', 'Last heard', 'State']}
                rows={items.map((webhook) => ({
                  key: webhook.id,
                  cells: [
                    <span key="name" className="stack" style={{ gap: 0 }}>
                      <Link to="/webhooks/$id" params={{ id: webhook.id }} search={{}}>
                        <strong>{webhook.name}</strong>
                      </Link>
                      <span className="small muted mono">{webhook.url}</span>
                    </span>,
                    webhook.kinds.length === 0 ? 'everything' : counted(webhook.kinds.length, 'kind'),
                    <Time key="at" at={webhook.lastSuccessAt} />,
                    <StateMark key="state" look={webhookLook(webhook)} />,
                  ],
                }))}
              />
            )
          }
        </Part>
      )}
      {creating && <NewWebhookDialog close={() => setCreating(false)} />}
    </>
  );
}
