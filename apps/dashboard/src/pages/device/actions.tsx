/** What people may do to a device. Everything asks first and says what happens. */
import type { DeviceDetail } from '../../data/shapes.js';
import { Button, Menu } from '@mantine/core';
import { useState } from 'react';
import { Allowed } from '../../pieces/page-state.js';
import { useMayDo } from '../../session/use-session.js';
import { ApproveDialog } from './dialogs/approve-dialog.js';
import { ChangeDialog } from './dialogs/change-dialog.js';
import { HoldDialog, InServiceDialog } from './dialogs/hold-dialog.js';
import { DecommissionDialog, RecommissionDialog, ReplaceDialog } from './dialogs/leave-dialogs.js';

const DIALOGS = {
  approve: ApproveDialog,
  change: ChangeDialog,
  hold: HoldDialog,
  inService: InServiceDialog,
  decommission: DecommissionDialog,
  recommission: RecommissionDialog,
  replace: ReplaceDialog,
} as const;
type DialogName = keyof typeof DIALOGS;

export function DeviceActions({ device }: { device: DeviceDetail }) {
  const [open, setOpen] = useState<DialogName>();
  const operator = useMayDo('operator');
  const isActive = device.state === 'active';
  const wantsApproval = !device.approved || device.claims.some((claim) => claim.state === 'pending');
  const choices: readonly (readonly [DialogName, string])[] = isActive
    ? [
        ['change', 'Name, model, tags…'],
        ['hold', device.holdNote === null ? 'Hold…' : 'Lift the hold…'],
        ...(device.outOfService ? ([['inService', 'It works again…']] as const) : []),
        ['replace', 'Replace by another device…'],
        ['decommission', 'Decommission…'],
      ]
    : [['recommission', 'Take back into service…']];
  const Dialog = open === undefined ? undefined : DIALOGS[open];
  return (
    <>
      {isActive && wantsApproval && (
        <Allowed why={operator.why}>
          {(disabled) => (
            <Button variant="filled" disabled={disabled} onClick={() => setOpen('approve')}>
              Approve…
            </Button>
          )}
        </Allowed>
      )}
      <Allowed why={operator.why}>
        {(disabled) => (
          <Menu position="bottom-end" width={240} transitionProps={{ duration: 0 }} disabled={disabled}>
            <Menu.Target>
              <Button disabled={disabled} aria-label="More actions">
                ⋯
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {choices.map(([name, label]) => (
                <Menu.Item key={name} onClick={() => setOpen(name)}>
                  {label}
                </Menu.Item>
              ))}
            </Menu.Dropdown>
          </Menu>
        )}
      </Allowed>
      {Dialog && <Dialog device={device} close={() => setOpen(undefined)} />}
    </>
  );
}
