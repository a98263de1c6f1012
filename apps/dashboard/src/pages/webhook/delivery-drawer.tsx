/** What was sent, what was answered, and once more. */
import { answerOf } from '@drydock/api-client';
import type { WebhookDeliveryDetail } from '@drydock/contracts';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changing, errorSentence } from '../../data/api.js';
import { duration } from '../../format/times.js';
import { CopyButton } from '../../pieces/copy-button.js';
import { Drawer } from '../../pieces/drawer.js';
import { Part } from '../../pieces/page-state.js';
import { StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { deliveryQuery } from '../webhooks/queries.js';
import { deliveryLook } from '../webhooks/webhook-look.js';
import classes from './delivery.module.css';

interface Props {
  readonly webhook: string;
  readonly delivery: string;
  readonly close: () => void;
}

export function DeliveryDrawer({ webhook, delivery, close }: Props) {
  const found = useQuery(deliveryQuery(webhook, delivery));
  return (
    <Drawer title={found.data?.kind ?? 'Delivery'} close={close}>
      <Part query={found}>{(data) => <Sent webhook={webhook} delivery={data} />}</Part>
    </Drawer>
  );
}

function Sent({ webhook, delivery }: { webhook: string; delivery: WebhookDeliveryDetail }) {
  const client = useQueryClient();
  const [said, setSaid] = useState('');
  const again = async () => {
    setSaid('');
    try {
      await answerOf(
        changing.POST('/api/v1/webhooks/{id}/deliveries/{delivery}/redeliver', {
          params: { path: { id: webhook, delivery: delivery.id } },
        }),
      );
      setSaid('On its way once more.');
      await client.invalidateQueries({ queryKey: ['webhooks', webhook] });
    } catch (error) {
      setSaid(`Not sent. ${errorSentence(error)}`);
    }
  };
  return (
    <div className="stack" style={{ gap: 12 }}>
      <p className="row">
        <StateMark look={deliveryLook(delivery.state)} strong />
        <Time at={delivery.endedAt ?? delivery.createdAt} fixed />
      </p>
      {delivery.state !== 'waiting' && (
        <p className="row">
          <Button onClick={() => void again()}>Send again</Button>
          <span role="status" className="small muted">
            {said}
          </span>
        </p>
      )}
      <h3>Body</h3>
      <pre className={classes.code} tabIndex={0} aria-label="Body">
        {pretty(delivery.body)}
      </pre>
      <h3>Answers</h3>
      {delivery.log.length === 0 && <p className="muted">It has not been tried yet.</p>}
      {[...delivery.log].reverse().map((attempt) => (
        <section key={attempt.attempt} className="stack" aria-label={`Try ${attempt.attempt}`}>
          <p>
            Try {attempt.attempt}, <Time at={attempt.at} fixed />:{' '}
            {attempt.outcome === 'delivered' ? 'taken' : attempt.outcome}
            {attempt.responseCode !== null && ` with ${attempt.responseCode}`} after {duration(attempt.durationMs)}
            {attempt.detail !== null && `: ${attempt.detail}`}
          </p>
          {attempt.responseBody !== null && attempt.responseBody !== '' && (
            <pre className={classes.code} tabIndex={0} aria-label={`Answer of try ${attempt.attempt}`}>
              {attempt.responseBody}
            </pre>
          )}
        </section>
      ))}
      <div className="row small">
        <CopyButton text={location.href} label="Copy link" />
        <CopyButton text={delivery.body} label="Copy body" />
      </div>
    </div>
  );
}

function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
