/** Who they are: by site, model and version. A number is a door to its devices. */
import type { Exposure } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { count, shareOf } from '../../format/numbers.js';
import classes from './advisories.module.css';

const SHOWN = 12;

export function Groups({ exposure }: { exposure: Exposure }) {
  const id = exposure.advisory.id;
  const models = exposure.models.filter(({ affected, unknown }) => affected.devices + unknown.devices > 0);
  const versions = exposure.versions.filter(({ status }) => status !== 'unaffected');
  if (models.length === 0) return null;
  return (
    <div className={classes.groups}>
      <Group
        title="By site"
        rows={exposure.sites.slice(0, SHOWN).map((site) => ({
          key: site.site,
          name: (
            <Link to="/advisories/$id" params={{ id }} search={{ site: site.site }} hash="exposed">
              {site.name}
            </Link>
          ),
          n: site.affected,
          more: [
            site.silent > 0 ? `${count(site.silent)} out of reach` : '',
            site.unknown > 0 ? `${count(site.unknown)} not known` : '',
          ],
        }))}
        rest={exposure.sites.length > SHOWN || exposure.moreSites ? 'more sites in the table and the CSV' : ''}
      />
      <Group
        title="By model"
        rows={models.map(({ model, affected, unaffected, unknown }) => ({
          key: model,
          name: (
            <Link to="/advisories/$id" params={{ id }} search={{ model }} hash="exposed">
              {model}
            </Link>
          ),
          n: affected.devices,
          more: [
            shareOf(affected.devices, affected.devices + unaffected.devices + unknown.devices),
            unknown.devices > 0 ? `${count(unknown.devices)} not known` : '',
          ],
        }))}
        rest=""
      />
      <Group
        title="By version that runs"
        rows={versions.slice(0, SHOWN).map(({ model, version, status, devices, silent }) => ({
          key: `${model} ${version ?? ''}`,
          name: `${version ?? 'says none'}${models.length > 1 ? ` (${model})` : ''}`,
          n: devices,
          more: [status === 'unknown' ? 'cannot be judged' : '', silent > 0 ? `${count(silent)} out of reach` : ''],
        }))}
        rest={versions.length > SHOWN ? `and ${versions.length - SHOWN} more versions` : ''}
      />
    </div>
  );
}

interface Row {
  readonly key: string;
  readonly name: ReactNode;
  readonly n: number;
  readonly more: readonly string[];
}

export function Group({ title, rows, rest }: { title: string; rows: readonly Row[]; rest: string }) {
  const most = Math.max(1, ...rows.map(({ n }) => n));
  return (
    <section className="stack" style={{ gap: 4 }} aria-label={title}>
      <h2>{title}</h2>
      {rows.length === 0 && <p className="muted">none</p>}
      <ul className={classes.bars}>
        {rows.map(({ key, name, n, more }) => (
          <li key={key}>
            <span className={classes.groupName}>{name}</span>
            <strong className="num">{count(n)}</strong>
            <span className={classes.track} aria-hidden>
              <span style={{ width: `${(n / most) * 100}%` }} />
            </span>
            <span className="small muted">{more.filter((part) => part !== '').join(' · ')}</span>
          </li>
        ))}
      </ul>
      {rest !== '' && <p className="small muted">{rest}</p>}
    </section>
  );
}
