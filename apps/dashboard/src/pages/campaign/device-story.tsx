/** The tries of one device in this campaign. */
import { answerOf } from '@drydock/api-client';
import type { Campaign } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { reading } from '../../data/api.js';
import { bytes, counted } from '../../format/numbers.js';
import { duration } from '../../format/times.js';
import { Part } from '../../pieces/page-state.js';
import { Time } from '../../pieces/time.js';
import classes from './campaign.module.css';

export function DeviceStory({ campaign, deviceId }: { campaign: Campaign; deviceId: string }) {
  const history = useQuery({
    queryKey: ['campaign-part', campaign.id, 'history', deviceId],
    queryFn: () =>
      answerOf(
        reading.GET('/api/v1/devices/{id}/history', { params: { path: { id: deviceId }, query: { limit: 50 } } }),
      ),
  });
  return (
    <section className="stack" aria-label="Attempts">
      <Part query={history} rows={2}>
        {({ items }) => {
          const attempts = items.filter((item) => item.campaign.id === campaign.id);
          if (attempts.length === 0) return <p className="muted">It has not been tried in this campaign.</p>;
          return (
            <>
              <h3>{counted(attempts.length, 'attempt')}</h3>
              <ol className={classes.attempts}>
                {attempts.map((item) => (
                  <li key={item.attempt}>
                    <span className="muted">
                      {item.attempt} · <Time at={item.grantedAt} fixed /> · {item.gateway.name}
                    </span>
                    <div>
                      {item.outcome ?? 'goes on'}
                      {item.code !== null && (
                        <>
                          {' '}
                          <code>{item.code}</code>
                        </>
                      )}
                      {item.sentBytes !== null && item.sentBytes > 0 && `, ${bytes(item.sentBytes)} sent`}
                      {item.durationMs !== null && `, ${duration(item.durationMs)}`}
                    </div>
                    {item.sentence !== null && <div className="small">{item.sentence}</div>}
                    {item.blame !== null && <div className="small muted">blame: {item.blame}</div>}
                  </li>
                ))}
              </ol>
            </>
          );
        }}
      </Part>
    </section>
  );
}
