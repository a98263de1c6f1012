/** Why is this device not updated? Exactly one reason, from the rules that decide; the same fields as in the API and the command line. */
import { answerOf } from '@drydock/api-client';
import type { DeploymentWhy } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { reading } from '../data/api.js';
import { cutMiddle } from '../format/numbers.js';
import { countdown, when } from '../format/times.js';
import { useServerNow } from '../live/use-live.js';
import { command, CopyButton } from './copy-button.js';
import { Drawer } from './drawer.js';
import { Part } from './page-state.js';
import { readableReason } from './reason.js';
import { deploymentLook, StateMark } from './state-mark.js';

export interface WhyDrawerProps {
  readonly campaign: { readonly id: string; readonly name: string };
  readonly deviceId: string;
  /** What the row knows of it: name, model, gateway. */
  readonly title: ReactNode;
  readonly close: () => void;
  /** Under the reason: the device's tries, what it ran before. */
  readonly children?: ReactNode;
}

export function WhyDrawer({ campaign, deviceId, title, close, children }: WhyDrawerProps) {
  const why = useQuery({
    queryKey: ['campaign-part', campaign.id, 'why', deviceId],
    queryFn: () =>
      answerOf(
        reading.GET('/api/v1/campaigns/{id}/devices/{device}/why', {
          params: { path: { id: campaign.id, device: deviceId } },
        }),
      ),
  });
  return (
    <Drawer title={<>Why? {title}</>} close={close}>
      <Part query={why}>{(answer) => <WhyAnswer why={answer} />}</Part>
      {children}
      <div className="row small">
        <CopyButton text={location.href} label="Copy link" />
        {why.data && <CopyButton text={JSON.stringify(why.data, null, 2)} label="Copy JSON" />}
        <CopyButton text={command('campaign', 'why', campaign.name, '--device', deviceId)} label="Copy as command" />
      </div>
    </Drawer>
  );
}

export function WhyAnswer({ why }: { why: DeploymentWhy }) {
  const now = useServerNow();
  const { reason, state } = why;
  return (
    <section className="stack" aria-live="polite">
      <p>
        <StateMark look={deploymentLook(state)} />
      </p>
      <p>
        <strong>{readableReason(reason, now)}</strong>
      </p>
      {reason.until !== undefined && (
        <p>
          Changes: {when(reason.until, now)}
          {reason.until > now ? ` (in ${countdown(reason.until - now)})` : ' (due)'}
        </p>
      )}
      <dl
        className="small muted mono"
        style={{ margin: 0, display: 'grid', gridTemplateColumns: 'auto 1fr', gap: '2px 12px' }}
      >
        <dt>reason</dt>
        <dd style={{ margin: 0 }}>{reason.code}</dd>
        {Object.entries(reason.params).map(([name, value]) => (
          <div key={name} style={{ display: 'contents' }}>
            <dt>{name}</dt>
            <dd style={{ margin: 0, overflowWrap: 'anywhere' }} title={String(value)}>
              {cutMiddle(String(value), 36, 8)}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
