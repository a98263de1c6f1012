/** Who did what to one thing, newest first; the whole trail is on the page of the audit. */
import { answerOf } from '@drydock/api-client';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { reading } from '../data/api.js';
import classes from './audit-lines.module.css';
import { auditDetail, auditWho } from './audit-words.js';
import { Part } from './page-state.js';
import { Time } from './time.js';

const SHOWN = 20;

export function AuditLines({ kind, id, title }: { kind: string; id: string; title: string }) {
  const trail = useQuery({
    queryKey: ['audit', kind, id],
    queryFn: () =>
      answerOf(reading.GET('/api/v1/audit', { params: { query: { targetKind: kind, targetId: id, limit: SHOWN } } })),
  });
  return (
    <section className="panel" aria-labelledby="audit">
      <header>
        <h2 id="audit">{title}</h2>
        <Link to="/audit" search={{ q: `target==${id}` }}>
          All of it
        </Link>
      </header>
      <Part query={trail}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="muted">Nobody has done anything to it.</p>
          ) : (
            <ul className={classes.lines}>
              {items.map((entry) => (
                <li key={entry.id}>
                  <Time at={entry.at} fixed />
                  <span>{auditWho(entry.actor)}</span>
                  <code>{entry.action}</code>
                  <span className={`muted ${classes.detail}`}>{auditDetail(entry.params)}</span>
                </li>
              ))}
            </ul>
          )
        }
      </Part>
    </section>
  );
}
