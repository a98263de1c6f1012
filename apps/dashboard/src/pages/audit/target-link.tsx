import type { AuditRecord } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { cutMiddle } from '../../format/numbers.js';

interface Props {
  readonly target: NonNullable<AuditRecord['target']>;
  readonly params: AuditRecord['params'];
}

/** What it was done to; a link where there is a page for it. */
export function TargetLink({ target, params }: Props) {
  const { kind, id } = target;
  const name = typeof params.name === 'string' ? params.name : undefined;
  const shown = (
    <>
      <span className="muted">{kind}</span> {name ?? <code title={id}>{cutMiddle(id, 8, 0)}</code>}
    </>
  );
  if (kind === 'device') {
    return (
      <Link to="/fleet/devices/$id" params={{ id }}>
        {shown}
      </Link>
    );
  }
  if (kind === 'gateway') {
    return (
      <Link to="/fleet/gateways/$id" params={{ id }}>
        {shown}
      </Link>
    );
  }
  if (kind === 'campaign' && name !== undefined) {
    return (
      <Link to="/campaigns/$name" params={{ name }} search={{}}>
        {shown}
      </Link>
    );
  }
  if (kind === 'webhook') {
    return (
      <Link to="/webhooks/$id" params={{ id }} search={{}}>
        {shown}
      </Link>
    );
  }
  return shown;
}
