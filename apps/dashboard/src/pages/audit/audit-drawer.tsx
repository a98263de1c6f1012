import type { AuditRecord } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { auditChanges, auditWho } from '../../pieces/audit-words.js';
import { CopyButton } from '../../pieces/copy-button.js';
import { Drawer } from '../../pieces/drawer.js';
import { Facts } from '../../pieces/facts.js';
import { filterValue } from '../../pieces/filter-text.js';
import { SimpleTable } from '../../pieces/simple-table.js';
import { Time } from '../../pieces/time.js';
import { TargetLink } from './target-link.js';

/** A line of the audit with everything that it holds. */
export function AuditDrawer({ record, close }: { record: AuditRecord; close: () => void }) {
  const { actor, target } = record;
  const changes = auditChanges(record.params);
  return (
    <Drawer title={record.action} close={close}>
      <Facts
        facts={[
          ['When', <Time key="at" at={record.at} fixed />],
          [
            'Who',
            actor.id === null ? (
              auditWho(actor)
            ) : (
              <Link key="who" to="/audit" search={{ q: `actor==${filterValue(actor.id)}` }}>
                {auditWho(actor)}
              </Link>
            ),
          ],
          ['To what', target === null ? '–' : <TargetLink key="target" target={target} params={record.params} />],
          target !== null && [
            'Its trail',
            <Link key="trail" to="/audit" search={{ q: `target==${filterValue(target.id)}` }}>
              everything done to it
            </Link>,
          ],
          ['From where', record.ip],
          ['Request', record.requestId],
        ]}
      />
      {changes.length > 0 && (
        <SimpleTable
          label="What it changed"
          head={['What', 'Before', 'After']}
          rows={changes.map(({ name, before, after }) => ({ key: name, cells: [name, before, after] }))}
        />
      )}
      <h3>How</h3>
      <pre className="mono small" tabIndex={0} style={{ margin: 0, whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
        {JSON.stringify(record.params, null, 2)}
      </pre>
      <div className="row small">
        <CopyButton text={location.href} label="Copy link" />
        <CopyButton text={JSON.stringify(record, null, 2)} label="Copy JSON" />
      </div>
    </Drawer>
  );
}
