/** Pace and limits while a campaign is under way. Somebody else's change meanwhile is shown, never written over. */
import { ApiProblemError } from '@drydock/api-client';
import type { Campaign } from '@drydock/contracts';
import { TextInput } from '@mantine/core';
import { useState } from 'react';
import { count } from '../../../format/numbers.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { command } from '../../../pieces/copy-button.js';
import { useSeen } from '../../../pieces/use-seen.js';
import { planConflict, readCampaign } from '../../../plan/plan-conflict.js';
import { paceWords } from '../../../plan/plan-words.js';
import { changePace } from '../acts.js';
import classes from '../campaign.module.css';
import { changedFields, fieldsOf, steeringOf, type PaceField } from '../pace-fields.js';

export function PaceDialog({ campaign, close }: { campaign: Campaign; close: () => void }) {
  const { seen, renew } = useSeen(campaign, () => readCampaign(campaign.id));
  const [texts, setTexts] = useState<Readonly<Record<string, string>>>({});
  const [lines, setLines] = useState<readonly string[]>([]);
  const fields = fieldsOf(seen.policy);
  const { steering, faults } = steeringOf(seen.policy, texts);
  const changed = changedFields(seen.policy, texts);
  const send = async (reason: string) => {
    setLines([]);
    try {
      await changePace(campaign, seen.revision, { ...steering, reason });
    } catch (problem) {
      if (problem instanceof ApiProblemError && problem.code !== 'request.stale') {
        setLines((problem.problem.errors ?? []).map(({ path, message }) => `${path}: ${message}`));
      }
      throw problem;
    }
  };
  return (
    <ConfirmDialog
      title={`Change the pace of ${campaign.name}?`}
      verb="Change the pace"
      keep="Leave it"
      reason="required"
      ready={changed.length > 0 && Object.keys(faults).length === 0}
      close={close}
      conflict={planConflict(
        campaign.id,
        (theirs) => ({
          name: theirs.name,
          note: theirs.note,
          artifactId: theirs.artifact.id,
          selector: theirs.selector,
          policy: { ...theirs.policy, ...steeringOf(theirs.policy, texts).steering },
        }),
        renew,
      )}
      act={send}
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
          {lines.length > 0 && (
            <ul className="small">
              {lines.map((line) => (
                <li key={line}>{line}</li>
              ))}
            </ul>
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
