import { Button } from '@mantine/core';
import { Allowed, Empty } from '../../pieces/page-state.js';
import { useMayDo } from '../../session/use-session.js';
import { agentCommand } from '../fleet/agent-command.js';
import classes from './gateways.module.css';

interface Props {
  readonly isFiltered: boolean;
  readonly fault: string | undefined;
  readonly clear: () => void;
  readonly enrol: () => void;
}

export function NoGateway({ isFiltered, fault, clear, enrol }: Props) {
  const operator = useMayDo('operator');
  if (fault !== undefined) return <p className="muted">The filter cannot be used, so nothing was looked for.</p>;
  if (isFiltered) {
    return (
      <Empty>
        <p>
          No gateway matches.{' '}
          <button type="button" className="plain-button" onClick={clear}>
            Show all
          </button>
        </p>
      </Empty>
    );
  }
  return (
    <Empty>
      <p>No gateway has reported yet.</p>
      <ol className={classes.steps}>
        <li>
          Create a one-time token for its site.{' '}
          <Allowed why={operator.why}>
            {(disabled) => (
              <Button disabled={disabled} onClick={enrol}>
                Create a token…
              </Button>
            )}
          </Allowed>
        </li>
        <li>
          Run the agent with it on the gateway:
          <br />
          <code>{agentCommand('TOKEN')}</code>
        </li>
        <li>It appears here within seconds.</li>
      </ol>
    </Empty>
  );
}
