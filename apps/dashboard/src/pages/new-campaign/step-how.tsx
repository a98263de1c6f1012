/** How: stages and gates, the brake, pace, time, retries, who approves. A sentence beside every part says what it does. */
import type { ReactNode } from 'react';
import { abortWords, brakeWords, paceWords, windowWords } from '../../plan/plan-words.js';
import { duration } from '../../format/times.js';
import { AdvisoryField, OnAbortField, StartAtField } from './choice-fields.js';
import { DurationField, MinutesField, NumberField, ShareField, TickField } from './fields.js';
import { usePlanDesk } from './plan-context.js';
import { StagesForm } from './stages-form.js';
import { ThresholdsForm } from './thresholds-form.js';
import { WindowsForm } from './windows-form.js';
import classes from './new-campaign.module.css';

export function HowStep() {
  const { form, preview } = usePlanDesk();
  const { policy } = form;
  return (
    <>
      <Panel title="Stages and gates" says="Few devices first. A gate that cannot be judged stays shut.">
        <StagesForm />
      </Panel>
      <Panel title="Brake" says={brakeWords(policy.brake, preview?.staircase)}>
        <div className={classes.grid}>
          <ShareField path="policy.brake.limit" label="Failure share that is accepted" />
          <ShareField path="policy.brake.alpha" label="Chance of a false halt" />
          <ShareField path="policy.brake.transportLimit" label="Links that may give up" />
        </div>
        <TickField path="policy.brake.baseline" label="Lower the limit where past campaigns of the model went better" />
        <ThresholdsForm />
      </Panel>
      <Panel title="Pace and limits" says={paceWords(policy)}>
        <div className={classes.grid}>
          <NumberField path="policy.pace.startPerMinute" label="Starts a minute, at first" />
          {policy.pace.kind === 'ramp' ? (
            <MinutesField path="policy.pace.doublingMinutes" label="Doubles every" />
          ) : (
            <>
              <NumberField path="policy.pace.factor" label="Grows by the factor" />
              <NumberField path="policy.pace.everyProven" label="for each so many proven" />
            </>
          )}
          <NumberField path="policy.pace.maxPerMinute" label="Up to, a minute" />
          <NumberField path="policy.limits.firstInFlight" label="At once, before any is proven" />
          <NumberField path="policy.limits.earnedPerProven" label="More for each proven" />
          <NumberField path="policy.limits.inFlight" label="At once, at most" />
          <NumberField path="policy.limits.perGateway" label="At once on one gateway" />
          <NumberField path="policy.limits.perSite" label="At once at one site" placeholder="no limit" optional />
        </div>
        <PaceKind />
      </Panel>
      <Panel title="When" says={windowWords(policy)}>
        <WindowsForm />
        <div className={classes.grid}>
          <StartAtField />
          <DurationField path="policy.deadlineMs" label="Paused for a person after" />
          <NumberField path="policy.minBatteryPercent" label="Least charge, percent" placeholder="any" optional />
        </div>
      </Panel>
      <Panel
        title="Approvals and urgency"
        says={
          policy.urgent
            ? 'Urgent: two different people approve, windows are set aside, grants of others that have not started are taken back.'
            : policy.approvals === 0
              ? 'It starts when you press start.'
              : `${policy.approvals === 1 ? 'One other person approves' : `${policy.approvals} other people approve`} before it starts.`
        }
      >
        <div className={classes.grid}>
          <NumberField path="policy.approvals" label="People who must approve" />
          <AdvisoryField />
        </div>
      </Panel>
      <Panel
        title="Retries and time limits"
        says={`A try starts within ${duration(policy.timeouts.startMs)} of its grant. What went wrong on the link is tried ${policy.retry.link.maxAttempts} times, what the firmware is to blame for ${policy.retry.firmware.maxAttempts} times.`}
      >
        <div className={classes.grid}>
          <DurationField path="policy.timeouts.startMs" label="Starts within" />
          <DurationField path="policy.timeouts.downloadMs" label="Fetched within" />
          <DurationField path="policy.timeouts.transferMs" label="Sent within" />
          <DurationField path="policy.timeouts.activateMs" label="Started anew within" />
          <DurationField path="policy.timeouts.proveMs" label="Proven within" />
          <DurationField path="policy.retry.backOffMaxMs" label="Longest wait between tries" />
        </div>
        <Retries />
      </Panel>
      <Panel title="Proof and abort" says={abortWords(policy)}>
        <TickField
          path="policy.acceptUnproven"
          label="Count unproven results as known and not failed"
          hint="Needed for models whose image cannot be read back."
        />
        {policy.acceptUnproven && (
          <div className={classes.grid}>
            <NumberField path="policy.limits.unproven" label="Unproven at most" placeholder="no limit" optional />
          </div>
        )}
        <div className={classes.grid}>
          <OnAbortField />
        </div>
      </Panel>
    </>
  );
}

function Panel({ title, says, children }: { title: string; says: string; children: ReactNode }) {
  const id = `part-${title.toLowerCase().replaceAll(' ', '-')}`;
  return (
    <section className="panel stack" aria-labelledby={id} style={{ gap: 12 }}>
      <div>
        <h2 id={id}>{title}</h2>
        <p className={classes.says}>{says}</p>
      </div>
      {children}
    </section>
  );
}

function PaceKind() {
  const { form, replace } = usePlanDesk();
  const { pace } = form.policy;
  const { startPerMinute, maxPerMinute } = pace;
  const other =
    pace.kind === 'ramp'
      ? ({ kind: 'steps', startPerMinute, maxPerMinute, factor: 2, everyProven: 50 } as const)
      : ({ kind: 'ramp', startPerMinute, maxPerMinute, doublingMinutes: 30 } as const);
  return (
    <button
      type="button"
      className="plain-button"
      onClick={() => replace({ ...form, policy: { ...form.policy, pace: other } })}
    >
      {pace.kind === 'ramp' ? 'Grow with what is proven instead' : 'Grow with time instead'}
    </button>
  );
}

const BLAMES = [
  ['link', 'the link'],
  ['device', 'the device'],
  ['gateway', 'the gateway'],
  ['firmware', 'the firmware'],
  ['server', 'the server'],
  ['operator', 'people'],
] as const;

function Retries() {
  return (
    <details>
      <summary>Tries by what is to blame</summary>
      <div className={classes.retries}>
        {BLAMES.map(([blame, name]) => (
          <div key={blame} className={classes.grid} role="group" aria-label={`Tries where ${name} is to blame`}>
            <NumberField path={`policy.retry.${blame}.maxAttempts`} label={`Tries, ${name}`} />
            <DurationField path={`policy.retry.${blame}.backOffMs`} label="First wait" />
          </div>
        ))}
      </div>
    </details>
  );
}
