import type { GatewayDetail } from '../../data/shapes.js';
import { StateMark } from '../../pieces/state-mark.js';
import classes from './gateway.module.css';

/** Its ways to devices, as the agent sees them. */
export function GatewayLinks({ gateway }: { gateway: GatewayDetail }) {
  return (
    <section className="panel" aria-labelledby="links">
      <header>
        <h2 id="links">Links</h2>
        <span className="small muted">{gateway.online ? 'now' : 'when it was last connected'}</span>
      </header>
      {gateway.links.length === 0 ? (
        <p className="muted">It has told of no link: is there a site file on the gateway?</p>
      ) : (
        <ul className={classes.lines}>
          {gateway.links.map((link) => (
            <li key={link.link}>
              <StateMark
                look={
                  link.state === 'up'
                    ? { family: 'proven', mark: '●', label: 'up' }
                    : { family: 'bad', mark: '✕', label: 'down' }
                }
              />
              <code>{link.link}</code>
              {link.note !== undefined && <span className="muted">{link.note}</span>}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
