/** What the plan would take now: how many, who is left out and why, strata, a few of them; warnings, and what is to be mended. */
import type { CampaignPreview } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { count, counted } from '../../format/numbers.js';
import { Failed } from '../../pieces/page-state.js';
import { SKIPPED } from '../../plan/plan-words.js';
import { usePlanDesk } from './plan-context.js';
import { faultsOf, stepOf } from './plan-form.js';
import { diffPlace } from '../../plan/diff-words.js';
import { STEP_NAMES, type Step } from './steps.js';
import classes from './new-campaign.module.css';

export function PlanAside({ step }: { step: Step }) {
  const { preview, isOld, previewError, form } = usePlanDesk();
  const failed = previewError !== undefined && faultsOf(previewError) === undefined;
  return (
    <aside className={classes.aside} aria-label="What it would take">
      <FaultList step={step} />
      {failed && <Failed error={previewError} />}
      {preview ? (
        <div className="stack" style={{ gap: 12 }} data-old={isOld || undefined}>
          <Takes preview={preview} isOld={isOld} />
          <Warnings preview={preview} />
          <Strata preview={preview} />
          {step === 'which' && <Sample preview={preview} />}
          {step === 'how' && <StageSizes preview={preview} />}
        </div>
      ) : (
        <p className="muted">
          {form.artifactId === ''
            ? 'Choose an artifact: then it is counted who would take it.'
            : 'Counting who would take it.'}
        </p>
      )}
    </aside>
  );
}

/** Everything that is to be mended, with the way there. */
export function FaultList({ step }: { step?: Step }) {
  const { faults } = usePlanDesk();
  if (faults.length === 0) return null;
  return (
    <section className={classes.faults} aria-label="To mend">
      <h2>{counted(faults.length, 'thing')} to mend</h2>
      <ul>
        {faults.map(({ path, message }) => {
          const where = stepOf(path);
          return (
            <li key={path + message}>
              <span className="muted">{diffPlace(path)}</span> {message}{' '}
              {where !== step && (
                <Link to="/campaigns/new" search={(before) => ({ ...before, step: where })}>
                  to {STEP_NAMES[where]}
                </Link>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

export function Takes({ preview, isOld }: { preview: CampaignPreview; isOld: boolean }) {
  const out = preview.skipped.filter((one) => one.count > 0);
  return (
    <div className={isOld ? classes.old : undefined}>
      <p className={classes.takes}>
        <span className={classes.mark} aria-hidden>
          {preview.members === 0 ? '–' : '✓'}
        </span>
        <strong>{count(preview.members)}</strong> {preview.members === 1 ? 'device takes' : 'devices take'} it
        {isOld && <span className="small muted"> · as it was before</span>}
      </p>
      {out.map(({ reason, count: n }) => (
        <p key={reason} className="muted">
          <span aria-hidden>– </span>
          {count(n)} left out: {SKIPPED[reason] ?? reason}
        </p>
      ))}
      {preview.steps.map(({ version, through, count: n }) => (
        <p key={version} className="muted">
          {count(n)} that run {version} go through {through.join(', ')} first
        </p>
      ))}
    </div>
  );
}

export function Warnings({ preview }: { preview: CampaignPreview }) {
  if (preview.warnings.length === 0) return null;
  return (
    <ul className={classes.warnings} aria-label="Warnings">
      {preview.warnings.map((warning) => (
        <li key={warning.code + warning.path}>
          <span aria-hidden>⚠ </span>
          {warning.sentence} <span className="muted">{warning.mend}</span>
        </li>
      ))}
    </ul>
  );
}

function Strata({ preview }: { preview: CampaignPreview }) {
  const { strata } = preview;
  if (strata.length === 0) return null;
  const most = Math.max(...strata.map(({ size }) => size));
  const shown = strata.slice(0, 8);
  return (
    <table className={classes.strata}>
      <caption>By the version that runs now</caption>
      <thead>
        <tr>
          <th scope="col">Version</th>
          <th scope="col" className="num">
            Devices
          </th>
          <th scope="col">
            <span className="sr-only">Share</span>
          </th>
          <th scope="col" className="num">
            in the first stage
          </th>
        </tr>
      </thead>
      <tbody>
        {shown.map(({ version, size, inFirstStage }) => (
          <tr key={version}>
            <th scope="row">{version === '' ? 'not known' : version}</th>
            <td className="num">{count(size)}</td>
            <td aria-hidden>
              <span className={classes.stratum} style={{ width: `${Math.max(2, (size / most) * 100)}%` }} />
            </td>
            <td className="num">
              {inFirstStage === 0 ? <span title="They are tried one by one first">0 ⚠</span> : count(inFirstStage)}
            </td>
          </tr>
        ))}
      </tbody>
      {strata.length > shown.length && (
        <tfoot>
          <tr>
            <td colSpan={4} className="muted">
              and {counted(strata.length - shown.length, 'more version')}
            </td>
          </tr>
        </tfoot>
      )}
    </table>
  );
}

function Sample({ preview }: { preview: CampaignPreview }) {
  if (preview.sample.length === 0) return null;
  return (
    <section className="stack" style={{ gap: 4 }}>
      <h2>Some that go first</h2>
      <ul className={classes.plain}>
        {preview.sample.slice(0, 10).map(({ id, name, version }) => (
          <li key={id}>
            <span className="mono">{name ?? id.slice(0, 13)}</span>{' '}
            <span className="muted">runs {version ?? 'a version that is not known'}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function StageSizes({ preview }: { preview: CampaignPreview }) {
  return (
    <section className="stack" style={{ gap: 4 }}>
      <h2>Stages as planned now</h2>
      <ol className={classes.plain}>
        {preview.stages.map(({ name, size }) => (
          <li key={name}>
            {name} <strong>{count(size)}</strong>
          </li>
        ))}
      </ol>
    </section>
  );
}
