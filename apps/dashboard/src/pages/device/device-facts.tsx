import type { DeviceDetail } from '../../data/shapes.js';
import { Link } from '@tanstack/react-router';
import { CopyButton } from '../../pieces/copy-button.js';
import { Facts, TagList } from '../../pieces/facts.js';
import { Time } from '../../pieces/time.js';

/** What the device says of itself, and what people wrote beside it. */
export function DeviceFacts({ device }: { device: DeviceDetail }) {
  return (
    <section className="panel" aria-labelledby="facts">
      <header>
        <h2 id="facts">What is known</h2>
      </header>
      <Facts
        facts={[
          [
            'Identity',
            <>
              <span className="muted">{device.identity.kind}</span>{' '}
              <span className="mono">{device.identity.value}</span>{' '}
              <CopyButton text={device.identity.value} label="copy" what="Copy the identity" />
            </>,
          ],
          ['Model', device.model],
          ['Protocol', device.protocol],
          ...device.running.map(
            (image) =>
              [
                device.running.length === 1 ? 'Image' : `Image ${image.image}`,
                <>
                  <span className="mono">{image.version ?? 'version not told'}</span>
                  {image.confirmed === false && <> · not confirmed</>}
                  {image.hash !== undefined && (
                    <span className="mono small muted" style={{ display: 'block' }} title={image.hash}>
                      {image.hash.slice(0, 24)}…
                    </span>
                  )}
                </>,
              ] as const,
          ),
          ...Object.entries(device.hardware).map(([name, value]) => [name, String(value)] as const),
          ['Links', device.links.map(({ link }) => link).join(', ') || '–'],
          ['Tags', <TagList key="tags" tags={device.tags} />],
          device.battery !== null && [
            'Battery',
            <>
              {device.battery.percent} %{' '}
              <span className="muted">
                (<Time at={device.battery.at} />)
              </span>
            </>,
          ],
          [
            'Site',
            <Link key="site" to="/fleet/devices" search={{ q: `site==${device.siteName}` }}>
              {device.siteName}
            </Link>,
          ],
          ['First heard', <Time key="first" at={device.firstSeenAt} fixed />],
          [
            'Id',
            <>
              <span className="mono small">{device.id}</span>{' '}
              <CopyButton text={device.id} label="copy" what="Copy the id" />
            </>,
          ],
        ]}
      />
    </section>
  );
}
