/** What is being done with the device at this moment, byte by byte where the gateway tells. */
import { answerOf } from '@drydock/api-client';
import type { DeviceNow } from '@drydock/contracts';
import type { DeviceDetail } from '../../data/shapes.js';
import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { changing } from '../../data/api.js';
import { bytes } from '../../format/numbers.js';
import { countdown, duration, when } from '../../format/times.js';
import { useServerNow, useTransfer } from '../../live/use-live.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { Allowed } from '../../pieces/page-state.js';
import { deploymentLook, StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { useMayDo } from '../../session/use-session.js';
import { deviceName } from '../fleet/device-look.js';
import classes from './device.module.css';

const TransferPlot = lazy(() => import('./transfer-plot.js'));

type Deployment = NonNullable<DeviceNow['deployment']>;

export function Now({ device, now }: { device: DeviceDetail; now: DeviceNow }) {
  const [cancelling, setCancelling] = useState(false);
  const operator = useMayDo('operator');
  const clock = useServerNow();
  const live = now.deployment;
  if (live === null) return <p className="muted">Nothing is being done with it, and nothing is planned.</p>;
  const isUnderWay = live.state !== 'planned';
  return (
    <div className="stack">
      <p className="row">
        <StateMark look={deploymentLook(live.state)} strong />
        <span className="muted">
          since <Time at={live.stateAt} fixed />
        </span>
        <Link to="/campaigns/$name" params={{ name: live.campaign.name }} search={{ why: device.id }}>
          {live.campaign.name}
        </Link>
        <span>
          version <span className="mono">{live.artifact.version}</span>
        </span>
        {live.gateway && (
          <span>
            through{' '}
            <Link to="/fleet/gateways/$id" params={{ id: live.gateway.id }}>
              {live.gateway.name}
            </Link>
          </span>
        )}
      </p>
      {isUnderWay && <Bytes live={live} />}
      {isUnderWay && <Deadline live={live} clock={clock} />}
      {isUnderWay && live.state !== 'cancelling' && (
        <span>
          <Allowed why={operator.why}>
            {(disabled) => (
              <Button disabled={disabled} onClick={() => setCancelling(true)}>
                Cancel…
              </Button>
            )}
          </Allowed>
        </span>
      )}
      {cancelling && <CancelDialog device={device} live={live} close={() => setCancelling(false)} />}
    </div>
  );
}

function Bytes({ live }: { live: Deployment }) {
  const heard = useTransfer(live.id);
  const progress = heard ?? live.progress ?? undefined;
  if (progress === undefined) return <p className="muted">The gateway has not told about bytes yet.</p>;
  const { sentBytes, totalBytes } = progress;
  const rate = progress.bytesPerSecond ?? undefined;
  const left = rate !== undefined && rate > 0 ? ((totalBytes - sentBytes) / rate) * 1000 : undefined;
  const share = totalBytes > 0 ? Math.min(1, sentBytes / totalBytes) : 0;
  return (
    <>
      <div
        className={classes.track}
        role="progressbar"
        aria-label="Transfer"
        aria-valuemin={0}
        aria-valuemax={totalBytes}
        aria-valuenow={sentBytes}
        aria-valuetext={`${bytes(sentBytes)} of ${bytes(totalBytes)}`}
      >
        <div className={classes.done} style={{ width: `${share * 100}%` }} />
      </div>
      <p className="live-number">
        {bytes(sentBytes)} of {bytes(totalBytes)}
        {rate !== undefined && <> · {bytes(Math.round(rate))}/s</>}
        {live.linkRate !== null && <> of {bytes(Math.round(live.linkRate.bytesPerSecond))}/s possible</>}
        {left !== undefined && left > 0 && <> · {duration(left)} left at this rate</>}
      </p>
      <Suspense fallback={null}>
        <TransferPlot live={live} />
      </Suspense>
    </>
  );
}

function Deadline({ live, clock }: { live: Deployment; clock: number }) {
  const waitsToStart = live.state === 'granted' || live.state === 'downloading';
  const end = waitsToStart ? (live.startBy ?? live.finishBy) : live.finishBy;
  if (end === null) return null;
  const left = Date.parse(end) - clock;
  return (
    <p>
      {waitsToStart ? 'May start until ' : 'Becomes lost if silent until '}
      <strong>{when(end, clock)}</strong>
      {left > 0 ? ` (in ${countdown(left)})` : ' (that is over; it is looked at next)'}.
    </p>
  );
}

function CancelDialog({ device, live, close }: { device: DeviceDetail; live: Deployment; close: () => void }) {
  const client = useQueryClient();
  const name = deviceName(device);
  return (
    <ConfirmDialog
      title={`Cancel the update of ${name}?`}
      verb="Cancel the update"
      keep="Let it go on"
      reason="required"
      close={close}
      act={async (reason) => {
        await answerOf(
          changing.POST('/api/v1/campaigns/{id}/devices/{device}/cancel', {
            params: { path: { id: live.campaign.id, device: device.id } },
            body: { reason },
          }),
        );
        await client.invalidateQueries({ queryKey: ['device', device.id] });
      }}
    >
      <p>
        Its gateway ends the attempt at the next safe point. Where the device has begun to erase, the attempt must
        finish first: stopping there would leave it without an application.
      </p>
      <p>The campaign {live.campaign.name} does not try this device again.</p>
    </ConfirmDialog>
  );
}
