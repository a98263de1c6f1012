import { answerOf } from '@drydock/api-client';
import { Textarea } from '@mantine/core';
import { useState } from 'react';
import { changing } from '../../../data/api.js';
import { counted } from '../../../format/numbers.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { command } from '../../../pieces/copy-button.js';
import { conflictFields, ownChanges } from '../../../pieces/own-changes.js';
import { readTags, tagsText } from '../../fleet/tags-text.js';
import { useGatewayChange, type GatewayDialogProps } from './change-gateway.js';

export function QuarantineDialog({ gateway, close }: GatewayDialogProps) {
  const { params, renew, conflict } = useGatewayChange(gateway);
  return (
    <ConfirmDialog
      title={`Quarantine ${gateway.name}?`}
      verb="Quarantine"
      keep="Leave it active"
      reason="required"
      close={close}
      conflict={conflict()}
      command={command('gateway', 'quarantine', gateway.name)}
      act={async (note) => {
        await answerOf(changing.POST('/api/v1/gateways/{id}/quarantine', { params, body: { note } }));
        await renew();
      }}
    >
      <p>
        Nothing new starts through it, in no campaign; {counted(gateway.devices, 'device')}{' '}
        {gateway.devices === 1 ? 'is' : 'are'} behind it. What is under way goes on to its end, and orders that were not
        begun are taken back.
      </p>
      <p>Releasing it takes a reason too.</p>
    </ConfirmDialog>
  );
}

export function ReleaseDialog({ gateway, close }: GatewayDialogProps) {
  const { before, params, renew, conflict } = useGatewayChange(gateway);
  return (
    <ConfirmDialog
      title={`Release ${gateway.name}?`}
      verb="Release"
      keep="Keep it set aside"
      reason="required"
      close={close}
      conflict={conflict()}
      command={command('gateway', 'release', gateway.name)}
      act={async (note) => {
        await answerOf(changing.POST('/api/v1/gateways/{id}/release', { params, body: { note } }));
        await renew();
      }}
    >
      <p>It was set aside: “{before.stateNote}”</p>
      <p>
        Campaigns may start through it again at once; {counted(gateway.devices, 'device')}{' '}
        {gateway.devices === 1 ? 'is' : 'are'} behind it.
      </p>
    </ConfirmDialog>
  );
}

export function HoldDialog({ gateway, close }: GatewayDialogProps) {
  const { patch, before, conflict } = useGatewayChange(gateway);
  // Which of the two is asked for does not change because somebody else was first.
  if (before.holdNote !== null) {
    return (
      <ConfirmDialog
        title={`Lift the hold of ${gateway.name}?`}
        verb="Lift the hold"
        keep="Keep it on hold"
        close={close}
        conflict={conflict()}
        act={() => patch({ hold: null })}
      >
        <p>It was held: “{before.holdNote}”</p>
      </ConfirmDialog>
    );
  }
  return (
    <ConfirmDialog
      title={`Hold ${gateway.name}?`}
      verb="Hold it"
      keep="Leave it as it is"
      reason="required"
      close={close}
      conflict={conflict()}
      act={(note) => patch({ hold: { note } })}
    >
      <p>
        Nothing new starts through it until somebody lifts the hold. A hold says nothing bad about it: work on the site,
        for one.
      </p>
    </ConfirmDialog>
  );
}

export function TagsDialog({ gateway, close }: GatewayDialogProps) {
  const { patch, before, seen, conflict } = useGatewayChange(gateway);
  const [text, setText] = useState(tagsText(gateway.tags));
  const read = readTags(text);
  const mine = ownChanges(before, { tags: text === tagsText(before.tags) ? before.tags : read.tags });
  return (
    <ConfirmDialog
      title={`Tags of ${gateway.name}`}
      verb="Save"
      keep="Leave them"
      ready={read.wrong === undefined}
      close={close}
      conflict={conflict(conflictFields(mine, seen, { tags: 'Tags' }))}
      act={() => patch(mine)}
      fields={
        <Textarea
          label="Tags"
          description="One a line: key or key:value"
          autosize
          minRows={2}
          maxRows={10}
          spellCheck={false}
          value={text}
          error={read.wrong}
          onChange={(event) => setText(event.currentTarget.value)}
        />
      }
    >
      <p>Lists find the gateway by these.</p>
    </ConfirmDialog>
  );
}
