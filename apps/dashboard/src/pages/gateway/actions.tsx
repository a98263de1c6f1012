/** What people may do to a gateway. Everything asks first and says what happens. */
import { Button, Menu } from '@mantine/core';
import { useState } from 'react';
import type { GatewayDetail } from '../../data/shapes.js';
import { Allowed } from '../../pieces/page-state.js';
import { useMayDo } from '../../session/use-session.js';
import { LogLevelDialog } from './dialogs/log-level-dialog.js';
import { DecommissionDialog, ReplaceDialog } from './dialogs/leave-dialogs.js';
import { HoldDialog, QuarantineDialog, ReleaseDialog, TagsDialog } from './dialogs/steer-dialogs.js';

const DIALOGS = {
  quarantine: QuarantineDialog,
  release: ReleaseDialog,
  hold: HoldDialog,
  logLevel: LogLevelDialog,
  tags: TagsDialog,
  replace: ReplaceDialog,
  decommission: DecommissionDialog,
} as const;
type DialogName = keyof typeof DIALOGS;

export function GatewayActions({ gateway }: { gateway: GatewayDetail }) {
  const [open, setOpen] = useState<DialogName>();
  const operator = useMayDo('operator');
  const admin = useMayDo('admin');
  if (gateway.state === 'decommissioned') return null;
  const isAside = gateway.state === 'quarantined';
  const Dialog = open === undefined ? undefined : DIALOGS[open];
  const choices: readonly (readonly [DialogName, string])[] = [
    ['hold', gateway.holdNote === null ? 'Hold…' : 'Lift the hold…'],
    ['logLevel', 'Log level…'],
    ['tags', 'Tags…'],
  ];
  return (
    <span className="row">
      <Allowed why={operator.why}>
        {(disabled) => (
          <Button disabled={disabled} onClick={() => setOpen(isAside ? 'release' : 'quarantine')}>
            {isAside ? 'Release…' : 'Quarantine…'}
          </Button>
        )}
      </Allowed>
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
              <Menu.Divider />
              <Menu.Item disabled={!admin.may} onClick={() => setOpen('replace')}>
                Replace by another gateway…
              </Menu.Item>
              <Menu.Item disabled={!admin.may} onClick={() => setOpen('decommission')}>
                Decommission…
              </Menu.Item>
              {!admin.may && <Menu.Label>These two take the role admin.</Menu.Label>}
            </Menu.Dropdown>
          </Menu>
        )}
      </Allowed>
      {Dialog && <Dialog gateway={gateway} close={() => setOpen(undefined)} />}
    </span>
  );
}
