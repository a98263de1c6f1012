import { Link } from '@tanstack/react-router';
import type { GatewayDetail } from '../../data/shapes.js';
import { CopyButton } from '../../pieces/copy-button.js';
import { Facts, TagList } from '../../pieces/facts.js';
import { Time } from '../../pieces/time.js';

export function GatewayFacts({ gateway }: { gateway: GatewayDetail }) {
  return (
    <section className="panel" aria-labelledby="facts">
      <header>
        <h2 id="facts">What is known</h2>
      </header>
      <Facts
        facts={[
          ['Agent', gateway.agentVersion],
          ['Protocols', gateway.protocols.join(', ') || '–'],
          ['Tags', <TagList key="tags" tags={gateway.tags} />],
          [
            'Key fingerprint',
            <>
              <code>{gateway.keyFingerprint}</code>{' '}
              <CopyButton text={gateway.keyFingerprint} label="copy" what="Copy the key fingerprint" />
              <span className="small muted" style={{ display: 'block' }}>
                Compare it with the one that the agent logs.
              </span>
            </>,
          ],
          gateway.keys.length > 1 && [
            'Keys before',
            gateway.keys
              .filter((key) => key.revokedAt !== null)
              .map((key) => (
                <span key={key.fingerprint} className="small" style={{ display: 'block' }}>
                  <code>{key.fingerprint.slice(0, 12)}…</code> revoked <Time at={key.revokedAt} fixed />
                </span>
              )),
          ],
          ['Enrolled', <Time key="enrolled" at={gateway.enrolledAt} fixed />],
          gateway.replacedBy !== null && [
            'Replaced by',
            <Link key="by" to="/fleet/gateways/$id" params={{ id: gateway.replacedBy }}>
              another gateway
            </Link>,
          ],
          [
            'Id',
            <>
              <span className="mono small">{gateway.id}</span>{' '}
              <CopyButton text={gateway.id} label="copy" what="Copy the id" />
            </>,
          ],
        ]}
      />
    </section>
  );
}
