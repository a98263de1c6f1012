/** Pace and limits while a campaign is under way. Somebody else's change meanwhile is shown, never written over. */
import { ApiProblemError } from '@drydock/api-client';
import type { Campaign } from '@drydock/contracts';
import { TextInput } from '@mantine/core';
import { useState } from 'react';
import { count } from '../../../format/numbers.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { command } from '../../../pieces/copy-button.js';
import { Conflict } from '../../../plan/conflict.js';
import { paceWords } from '../../../plan/plan-words.js';
import { changePace } from '../acts.js';
import classes from '../campaign.module.css';
import { changedFields, fieldsOf, steeringOf, type PaceField } from '../pace-fields.js';

export function PaceDialog({ campaign, close }: { campaign: Campaign; close: () => void }) {
  // The page goes on living under the dialog; what is changed is what was seen when it opened.
  const [seen] = useState(campaign);
  const [texts, setTexts] = useState<Readonly<Record<string, string>>>({});
  const [isStale, setIsStale] = useState(false);
  const [lines, setLines] = useState<readonly string[]>([]);
  const fields = fieldsOf(seen.policy);
  const { steering, faults } = steeringOf(seen.policy, texts);
  const changed = changedFields(seen.policy, texts);
  const send = async (revision: number, reason: string, onto: Campaign['policy'] = seen.policy) => {
    setLines([]);
    try {
      await changePace(campaign, revision, { ...steeringOf(onto, texts).steering, reason });
      close();
    } catch (problem) {
      if (problem instanceof ApiProblemError) {
        // Who was first, and what of, is said above the button.
        if (problem.code === 'request.stale') return setIsStale(true);
        setLines((problem.problem.errors ?? []).map(({ path, message }) => `${path}: ${message}`));
      }
      throw problem;
    }
  };
  const [reason, setReason] = useState('');
  return (
    <ConfirmDialog
      title={`Change the pace of ${campaign.name}?`}
      verb="Change the pace"
      keep="Leave it"
      reason="required"
      staysOpen
      ready={changed.length > 0 && Object.keys(faults).length === 0 && !isStale}
      close={close}
      act={(given) => {
        setReason(given);
        return send(seen.revision, given);
      }}
      command={command(
        'campaign',
        'pace',
        campaign.name,
        ...changed.flatMap(({ flag, text }) => [flag, text]),
        '--reason',
        'TEXT',
      )}
      fields={
        <>
          <div className={classes.paceFields}>
            {fields.map((field) => (
              <PaceInput
                key={field.key}
                field={field}
                text={texts[field.key] ?? field.text}
                fault={faults[field.key]}
                change={(text) => setTexts({ ...texts, [field.key]: text })}
              />
            ))}
          </div>
          {lines.length > 0 && !isStale && (
            <ul className="small">
              {lines.map((line) => (
                <li key={line}>{line}</li>
              ))}
            </ul>
          )}
          {isStale && (
            <Conflict
              campaignId={campaign.id}
              mine={(theirs) => ({
                name: theirs.name,
                note: theirs.note,
                artifactId: theirs.artifact.id,
                selector: theirs.selector,
                policy: { ...theirs.policy, ...steeringOf(theirs.policy, texts).steering },
              })}
              applyOnTop={(theirs) => send(theirs.revision, reason, theirs.policy)}
            />
          )}
        </>
      }
    >
      <p>
        {Object.keys(faults).length === 0 ? paceWords(steering) : 'Write numbers.'}{' '}
        <span className="muted">
          What has been granted stays: {count(campaign.parts.mayStillStart)} may still start,{' '}
          {count(campaign.parts.inFlight)} in flight finish.
        </span>
      </p>
      {campaign.approvals.needed > 0 && (
        <p className="muted">
          People approved this plan: it can be made slower, and as fast as they approved, no faster.
        </p>
      )}
    </ConfirmDialog>
  );
}

interface InputProps {
  readonly field: PaceField;
  readonly text: string;
  readonly fault: string | undefined;
  readonly change: (text: string) => void;
}

function PaceInput({ field, text, fault, change }: InputProps) {
  return (
    <TextInput
      label={field.label}
      inputMode="decimal"
      value={text}
      placeholder={field.optional ? 'no limit' : ''}
      error={fault}
      onChange={(event) => change(event.currentTarget.value)}
    />
  );
}
