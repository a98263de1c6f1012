/** What failed, and where it gathers: groups as the server counted them, always with the rest beside. */
import { FAILURE_DIMENSIONS, type Campaign, type FailureGroups } from '@drydock/contracts';
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { count, cutMiddle, shareOf } from '../../format/numbers.js';
import { Allowed, Empty, Part } from '../../pieces/page-state.js';
import { filterValue } from '../../pieces/filter-text.js';
import { Time } from '../../pieces/time.js';
import { useMayDo } from '../../session/use-session.js';
import classes from './campaign.module.css';
import { Compare } from './compare.js';
import { groupsOf } from './compare-words.js';
import { ReleaseDialog } from './dialogs/smaller-dialogs.js';
import { failureGroupsQuery } from './queries.js';

const route = getRouteApi('/campaigns/$name');

export function Failures({ campaign }: { campaign: Campaign }) {
  const { by = 'code', compare } = route.useSearch();
  const navigate = route.useNavigate();
  const groups = useQuery(failureGroupsQuery(campaign.id, by));
  return (
    <section className="panel stack" aria-labelledby="failed">
      <header>
        <h2 id="failed">What failed</h2>
        <label className="small muted">
          by{' '}
          <select
            className={classes.select}
            value={by}
            onChange={(event) =>
              void navigate({
                search: (before) => ({ ...before, by: FAILURE_DIMENSIONS.find((each) => each === event.target.value) }),
                replace: true,
                resetScroll: false,
              })
            }
          >
            {FAILURE_DIMENSIONS.map((dimension) => (
              <option key={dimension}>{dimension}</option>
            ))}
          </select>
        </label>
      </header>
      <Part query={groups} rows={4}>
        {(found) => <Groups groups={found} campaign={campaign} />}
      </Part>
      {compare === 'yes' && <Compare campaign={campaign} />}
      <Quarantines campaign={campaign} />
    </section>
  );
}

function Groups({ groups, campaign }: { groups: FailureGroups; campaign: Campaign }) {
  if (groups.items.length === 0) {
    return (
      <Empty>
        <p>{groups.tried === 0 ? 'Nothing has been tried.' : `Nothing failed: ${count(groups.tried)} tried.`}</p>
        {groups.tried > 0 && <CompareLink campaign={campaign} />}
      </Empty>
    );
  }
  return (
    <>
      <div className={classes.scroll}>
        <table className={classes.groups}>
          <thead>
            <tr>
              <th scope="col">code</th>
              <th scope="col" className="num">
                n
              </th>
              <th scope="col">gathers where</th>
            </tr>
          </thead>
          <tbody>
            {groups.items.map((item) => (
              <tr key={`${item.code} ${item.group?.key ?? ''}`}>
                <td>
                  <Link
                    to="/campaigns/$name"
                    params={{ name: campaign.name }}
                    search={(before) => ({
                      ...before,
                      q: item.code === 'reverted' ? 'state==reverted' : `code==${filterValue(item.code)}`,
                      why: undefined,
                    })}
                    hash="devices"
                    className={classes.inText}
                  >
                    <code>{item.code}</code>
                  </Link>
                  <div className="small muted">{item.sentence}</div>
                  {item.devices.length > 0 && (
                    <div className="small">
                      {item.devices.map((device, index) => (
                        <span key={device.id}>
                          {index > 0 && ', '}
                          <Link
                            to="/campaigns/$name"
                            params={{ name: campaign.name }}
                            search={(before) => ({ ...before, why: device.id })}
                            resetScroll={false}
                            className={classes.inText}
                          >
                            {device.name ?? cutMiddle(device.id)}
                          </Link>
                        </span>
                      ))}
                      {item.n > item.devices.length && (
                        <span className="muted"> and {count(item.n - item.devices.length)} more</span>
                      )}
                    </div>
                  )}
                </td>
                <td className="num">{count(item.n)}</td>
                <td>
                  {item.group === null ? (
                    <span className="muted">spread evenly</span>
                  ) : (
                    <>
                      {count(item.group.there.n)} of {count(item.group.there.of)} at {item.group.name}
                      {item.group.credible && (
                        <span className={classes.flag} title="The rate there is credibly above the rest">
                          {' '}
                          ⚑<span className="sr-only"> credibly above the rest</span>
                        </span>
                      )}
                      <div className="small muted">
                        {count(item.group.elsewhere.n)} of {count(item.group.elsewhere.of)} elsewhere
                        {item.group.elsewhere.of > 0 &&
                          ` (${shareOf(item.group.elsewhere.n, item.group.elsewhere.of)})`}{' '}
                        {groupsOf(item.group) && item.group.elsewhere.of > 0 && (
                          <CompareLink campaign={campaign} groups={groupsOf(item.group)} label="Compare" />
                        )}
                      </div>
                    </>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {!groups.complete && <p className="small muted">So many failed that only the newest were grouped.</p>}
      {groups.items.some((item) => item.group?.credible) && (
        <p className="small muted">⚑ the rate there is credibly above the rest</p>
      )}
      <p className="row small">
        <Link
          to="/campaigns/$name"
          params={{ name: campaign.name }}
          search={(before) => ({ ...before, q: 'state=in=(failed,reverted)', why: undefined })}
          hash="devices"
        >
          See all {count(groups.failed)}
        </Link>
        <CompareLink campaign={campaign} />
        <a href={`/api/v1/campaigns/${campaign.id}/failures/export?format=csv`} download>
          CSV
        </a>
      </p>
    </>
  );
}

function CompareLink({
  campaign,
  groups,
  label = 'Compare two groups',
}: {
  campaign: Campaign;
  groups?: { a: string; b: string } | undefined;
  label?: string;
}) {
  return (
    <Link
      to="/campaigns/$name"
      params={{ name: campaign.name }}
      search={(before) => ({ ...before, compare: 'yes' as const, ...groups })}
      resetScroll={false}
      className={classes.inText}
    >
      {label}
    </Link>
  );
}

function Quarantines({ campaign }: { campaign: Campaign }) {
  const [releasing, setReleasing] = useState<Campaign['quarantines'][number]>();
  const operator = useMayDo('operator');
  if (campaign.quarantines.length === 0) return null;
  return (
    <ul className={classes.quarantines}>
      {campaign.quarantines.map((quarantine) => (
        <li key={quarantine.id}>
          <span>
            <strong>{quarantine.ref.name}</strong> quarantined <Time at={quarantine.at} />: {quarantine.note}
          </span>
          <Allowed why={operator.why}>
            {(disabled) => (
              <Button disabled={disabled} onClick={() => setReleasing(quarantine)}>
                Release…
              </Button>
            )}
          </Allowed>
        </li>
      ))}
      {releasing && <ReleaseDialog campaign={campaign} quarantine={releasing} close={() => setReleasing(undefined)} />}
    </ul>
  );
}
