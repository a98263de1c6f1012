import { answerOf } from '@drydock/api-client';
import { Textarea } from '@mantine/core';
import { useState } from 'react';
import { changing } from '../../../data/api.js';
import { counted } from '../../../format/numbers.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { command } from '../../../pieces/copy-button.js';
import { readTags, tagsText } from '../../fleet/tags-text.js';
import { changeOf, usePatchGateway, useRenewed, type GatewayDialogProps } from './change-gateway.js';

export function QuarantineDialog({ gateway, close }: GatewayDialogProps) {
  const renew = useRenewed(gateway);
  return (
    <ConfirmDialog
      title={`Quarantine ${gateway.name}?`}
      verb="Quarantine"
      keep="Leave it active"
      reason="required"
      close={close}
      conflict={{ kind: 'gateway', id: gateway.id, renew }}
      command={command('gateway', 'quarantine', gateway.name)}
      act={async (note) => {
        await answerOf(
          changing.POST('/api/v1/gateways/{id}/quarantine', { params: changeOf(gateway), body: { note } }),
        );
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
  const renew = useRenewed(gateway);
  const [saw] = useState(gateway.stateNote);
  return (
    <ConfirmDialog
      title={`Release ${gateway.name}?`}
      verb="Release"
      keep="Keep it set aside"
      reason="required"
      close={close}
      conflict={{ kind: 'gateway', id: gateway.id, renew }}
      command={command('gateway', 'release', gateway.name)}
      act={async (note) => {
        await answerOf(changing.POST('/api/v1/gateways/{id}/release', { params: changeOf(gateway), body: { note } }));
        await renew();
      }}
    >
      <p>It was set aside: “{saw}”</p>
      <p>
        Campaigns may start through it again at once; {counted(gateway.devices, 'device')}{' '}
        {gateway.devices === 1 ? 'is' : 'are'} behind it.
      </p>
    </ConfirmDialog>
  );
}

export function HoldDialog({ gateway, close }: GatewayDialogProps) {
  const patch = usePatchGateway(gateway);
  const renew = useRenewed(gateway);
  if (gateway.holdNote !== null) {
    return (
      <ConfirmDialog
        title={`Lift the hold of ${gateway.name}?`}
        verb="Lift the hold"
        keep="Keep it on hold"
        close={close}
        conflict={{ kind: 'gateway', id: gateway.id, renew }}
        act={() => patch({ hold: null })}
      >
        <p>It was held: “{gateway.holdNote}”</p>
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
      conflict={{ kind: 'gateway', id: gateway.id, renew }}
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
  const patch = usePatchGateway(gateway);
  const renew = useRenewed(gateway);
  const [text, setText] = useState(tagsText(gateway.tags));
  const read = readTags(text);
  return (
    <ConfirmDialog
      title={`Tags of ${gateway.name}`}
      verb="Save"
      keep="Leave them"
      ready={read.wrong === undefined}
      close={close}
      conflict={{ kind: 'gateway', id: gateway.id, renew }}
      act={() => patch({ tags: read.tags })}
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
