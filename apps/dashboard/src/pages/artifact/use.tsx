/** Where it runs, and which campaigns brought it there. */
import type { ArtifactUse } from '@drydock/contracts';
import type { Artifact } from '../../data/shapes.js';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { count, counted } from '../../format/numbers.js';
import { filterValue } from '../../pieces/filter-text.js';
import { Part } from '../../pieces/page-state.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import classes from './artifact.module.css';
import { artifactUseQuery } from './queries.js';

export function Use({ artifact }: { artifact: Artifact }) {
  const use = useQuery(artifactUseQuery(artifact.sha256));
  return (
    <section className="panel" aria-labelledby="use">
      <header>
        <h2 id="use">Where it runs</h2>
      </header>
      <Part query={use}>{(data) => <Known artifact={artifact} use={data} />}</Part>
    </section>
  );
}

function Known({ artifact, use }: { artifact: Artifact; use: ArtifactUse }) {
  const version = artifact.runningVersion ?? artifact.version;
  const proven = use.campaigns.reduce((sum, campaign) => sum + campaign.proven, 0);
  const filter = `model==${filterValue(artifact.model)};version==${filterValue(version)}`;
  return (
    <div className="stack">
      <p>
        <Link to="/fleet/devices" search={{ q: filter }}>
          {use.runsOn.exact ? '' : 'about '}
          {counted(use.runsOn.devices, 'device')}
        </Link>{' '}
        {use.runsOn.devices === 1 ? 'runs' : 'run'} it now, by what{' '}
        {use.runsOn.devices === 1 ? 'it says itself' : 'they say themselves'}; {count(proven)} proven by campaigns here.
      </p>
      {use.fixes.length > 0 && <p>It answers {use.fixes.map(({ cve }) => cve).join(', ')}.</p>}
      {use.campaigns.length === 0 ? (
        <p className="muted">No campaign has it.</p>
      ) : (
        <ul className={classes.lines} aria-label="Campaigns">
          {use.campaigns.map((campaign) => (
            <li key={campaign.id}>
              <Link to="/campaigns/$name" params={{ name: campaign.name }} search={{}}>
                {campaign.name}
              </Link>
              <StateMark look={campaignLook(campaign.state)} />
              <span className="muted">
                {count(campaign.proven)} of {count(campaign.total)} proven
              </span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
