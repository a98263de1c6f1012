import { NativeSelect } from '@mantine/core';
import { useState } from 'react';
import type { GatewayPatch } from '../../../data/shapes.js';
import { ConfirmDialog } from '../../../pieces/confirm-dialog.js';
import { useGatewayChange, type GatewayDialogProps } from './change-gateway.js';

type Level = NonNullable<GatewayPatch['logLevel']>['level'];
const LEVELS: readonly Level[] = ['debug', 'info', 'warn', 'error'];
const MINUTES = [
  { value: '30', label: 'half an hour' },
  { value: '120', label: 'two hours' },
  { value: '1440', label: 'a day' },
];

export function LogLevelDialog({ gateway, close }: GatewayDialogProps) {
  const { patch, conflict } = useGatewayChange(gateway);
  const [level, setLevel] = useState<string>('debug');
  const [minutes, setMinutes] = useState('30');
  const lasting = gateway.logLevel;
  return (
    <ConfirmDialog
      title={`Log level of ${gateway.name}`}
      verb="Set it"
      keep="Leave it"
      close={close}
      conflict={conflict()}
      act={() =>
        patch({ logLevel: { level: LEVELS.find((each) => each === level) ?? 'info', minutes: Number(minutes) } })
      }
      fields={
        <>
          <NativeSelect
            label="Level"
            value={level}
            data={[...LEVELS]}
            onChange={(event) => setLevel(event.currentTarget.value)}
          />
          <NativeSelect
            label="For"
            value={minutes}
            data={MINUTES}
            onChange={(event) => setMinutes(event.currentTarget.value)}
          />
          {lasting !== null && (
            <p>
              Now {lasting.level}.{' '}
              <button type="button" className="plain-button" onClick={() => void patch({ logLevel: null }).then(close)}>
                End it now
              </button>
            </p>
          )}
        </>
      }
    >
      <p>
        It travels in the next signed order and ends by itself, so that no disk fills up. The log stays on the gateway:{' '}
        <code>drydock-agent logs</code>.
      </p>
    </ConfirmDialog>
  );
}
