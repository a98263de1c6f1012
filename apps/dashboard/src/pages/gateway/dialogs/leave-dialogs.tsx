import { answerOf } from '@drydock/api-client';
import { NativeSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { changing, reading } from '../../../data/api.js';
import { counted } from '../../../format/numbers.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { useGatewayChange, type GatewayDialogProps } from './change-gateway.js';

export function DecommissionDialog({ gateway, close }: GatewayDialogProps) {
  const { params, renew, conflict } = useGatewayChange(gateway);
  return (
    <ConfirmDialog
      title={`Decommission ${gateway.name}?`}
      verb="Decommission"
      keep="Keep it"
      reason="required"
      typed={gateway.name}
      danger
      close={close}
      conflict={conflict()}
      act={async (note) => {
        await answerOf(changing.POST('/api/v1/gateways/{id}/decommission', { params, body: { note } }));
        await renew();
      }}
    >
      <p>
        Its key is revoked and it is cut off at once. {counted(gateway.devices, 'device')} behind it can be updated only
        through other gateways that hear {gateway.devices === 1 ? 'it' : 'them'}.
      </p>
      <p>There is no way back: to bring the machine back it is enrolled anew.</p>
    </ConfirmDialog>
  );
}

export function ReplaceDialog({ gateway, close }: GatewayDialogProps) {
  const { params, renew, conflict } = useGatewayChange(gateway);
  const others = useQuery({
    queryKey: ['gateways', 'of-site', gateway.site],
    queryFn: () =>
      answerOf(
        reading.GET('/api/v1/gateways', { params: { query: { site: gateway.site, state: 'active', limit: 200 } } }),
      ),
  }).data?.items.filter((each) => each.id !== gateway.id);
  const [chosen, setChosen] = useState<string>();
  const by = chosen ?? others?.[0]?.id;
  return (
    <ConfirmDialog
      title={`Replace ${gateway.name}?`}
      verb="Replace"
      keep="Keep it"
      reason="required"
      typed={gateway.name}
      danger
      ready={by !== undefined}
      close={close}
      conflict={conflict()}
      act={async (note) => {
        await answerOf(
          changing.POST('/api/v1/gateways/{id}/replace', {
            params,
            body: { by: by!, note },
          }),
        );
        await renew();
      }}
      fields={
        others !== undefined && others.length === 0 ? (
          <p>No other gateway of {gateway.siteName} is active: enrol the new one first.</p>
        ) : (
          <NativeSelect
            label="The gateway that takes its place"
            value={by ?? ''}
            data={(others ?? []).map((each) => ({ value: each.id, label: each.name }))}
            onChange={(event) => setChosen(event.currentTarget.value)}
          />
        )
      }
    >
      <p>The other one gets its name, tags, hold and sockets. This one is decommissioned and its key revoked.</p>
    </ConfirmDialog>
  );
}
