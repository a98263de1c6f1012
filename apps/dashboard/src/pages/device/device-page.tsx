/** What runs here, what happened, what is going on now? */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect } from 'react';
import { PageHead } from '../../app/page-head.js';
import { isStatus } from '../../data/api.js';
import { pollEvery } from '../../data/query-client.js';
import { AuditLines } from '../../pieces/audit-lines.js';
import { CopyCommand } from '../../pieces/copy-command.js';
import { Part } from '../../pieces/page-state.js';
import { Time } from '../../pieces/time.js';
import { deviceWhyQuery } from '../devices/queries.js';
import { Reasons } from '../devices/device-why-drawer.js';
import { deviceName } from '../fleet/device-look.js';
import { DeviceActions } from './actions.js';
import { Attempts } from './attempts.js';
import { DeviceFacts } from './device-facts.js';
import { Conversation } from './conversation.js';
import classes from './device.module.css';
import { HeardBy } from './heard-by.js';
import { Life } from './life.js';
import { InTheWay } from './in-the-way.js';
import { Now } from './now.js';
import { deviceNowQuery, deviceQuery } from './queries.js';
import { Runs } from './runs.js';

const route = getRouteApi('/fleet/devices/$id');
const CRUMBS = [{ to: '/fleet/devices', label: 'Devices' }];

export default function DevicePage() {
  const { id } = route.useParams();
  const device = useQuery(deviceQuery(id));
  const now = useQuery(deviceNowQuery(id));
  const why = useQuery({ ...deviceWhyQuery(id), refetchInterval: pollEvery(5_000) });
  const client = useQueryClient();
  const { id: at = '', state = '' } = now.data?.deployment ?? {};
  // A new state changes all that is said of the device: its parts must not contradict each other for longer than they must.
  useEffect(() => {
    void client.invalidateQueries({ queryKey: ['devices', 'why', id] });
    void client.invalidateQueries({ queryKey: ['device', id], exact: true });
    void client.invalidateQueries({ queryKey: ['device', id, 'history'] });
    void client.invalidateQueries({ queryKey: ['device', id, 'conversation'] });
  }, [client, id, at, state]);
  if (device.isError && isStatus(device.error, 404)) {
    return (
      <>
        <PageHead title="No such device" crumbs={CRUMBS} />
        <p>
          No device has the id <code>{id}</code>.
        </p>
      </>
    );
  }
  return (
    <>
      <PageHead
        title={device.data ? deviceName(device.data) : 'Device'}
        crumbs={CRUMBS}
        aside={
          device.data && (
            <span className="row">
              <span className="small muted">
                heard <Time at={device.data.lastSeenAt} />
              </span>
              <CopyCommand words={['device', 'show', id]} />
              <DeviceActions device={device.data} />
            </span>
          )
        }
      />
      <Part query={device}>
        {(found) => (
          <>
            <Runs device={found} now={now.data} />
            <InTheWay device={found} />
            <div className={classes.columns}>
              <div className={classes.column}>
                <section className="panel" aria-labelledby="now">
                  <header>
                    <h2 id="now">Now</h2>
                  </header>
                  <Part query={now}>{(data) => <Now device={found} now={data} />}</Part>
                </section>
                <section className="panel" aria-labelledby="life">
                  <header>
                    <h2 id="life">Life</h2>
                    <span className="small muted">versions that were read back</span>
                  </header>
                  <Part query={now}>{(data) => <Life device={found} life={data.life} />}</Part>
                </section>
                <Attempts id={id} />
                <Conversation id={id} now={now.data} />
              </div>
              <div className={classes.column}>
                <section className="panel" aria-labelledby="why">
                  <header>
                    <h2 id="why">Why?</h2>
                  </header>
                  <Part query={why}>{(answer) => <Reasons deployments={answer.deployments} />}</Part>
                </section>
                <section className="panel" aria-labelledby="heard">
                  <header>
                    <h2 id="heard">Heard by</h2>
                  </header>
                  <Part query={now}>{(data) => <HeardBy heardBy={data.heardBy} />}</Part>
                </section>
                <DeviceFacts device={found} />
              </div>
            </div>
            <AuditLines kind="device" id={id} title="Audit of this device" />
          </>
        )}
      </Part>
    </>
  );
}
