/** What was read out of the file. */
import type { Artifact } from '../../data/shapes.js';
import { bytes } from '../../format/numbers.js';
import { Facts } from '../../pieces/facts.js';
import { Time } from '../../pieces/time.js';
import classes from './artifact.module.css';

export function Read({ artifact }: { artifact: Artifact }) {
  const { description, requires } = artifact;
  return (
    <section className="panel" aria-labelledby="read">
      <header>
        <h2 id="read">What the file holds</h2>
      </header>
      <div className="stack" style={{ gap: 12 }}>
        <div className={classes.scroll} tabIndex={0} role="region" aria-label="Images of the file">
          <table className={classes.table}>
            <thead>
              <tr>
                <th scope="col">Image</th>
                <th scope="col">Kind</th>
                <th scope="col">Version</th>
                <th scope="col">Size</th>
                <th scope="col">Hash when it runs</th>
              </tr>
            </thead>
            <tbody>
              {description.images.map((image) => (
                <tr key={image.image}>
                  <td>{image.image}</td>
                  <td>{image.kind}</td>
                  <td className="mono">{image.version ?? '–'}</td>
                  <td className="nowrap">{bytes(image.sizeBytes)}</td>
                  <td>
                    {image.runningHash === undefined ? (
                      '–'
                    ) : (
                      <code title={image.runningHash}>{image.runningHash.slice(0, 12)}…</code>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <Facts
          facts={[
            ['Sent by', description.protocols.join(', ') || '–'],
            ...Object.entries(description.hardware).map(([name, value]) => [name, String(value)] as const),
            [
              'Signatures',
              description.signatures.length === 0
                ? 'none'
                : description.signatures.map((signature, index) => (
                    <span key={index} style={{ display: 'block' }}>
                      {signature.scheme} over the {signature.covers}
                      {signature.keyHash !== undefined && (
                        <code title={signature.keyHash}> {signature.keyHash.slice(0, 12)}…</code>
                      )}
                    </span>
                  )),
            ],
            [
              'May follow',
              requires.runningVersions && requires.runningVersions.length > 0
                ? requires.runningVersions.join(', ')
                : 'any version',
            ],
            ...Object.entries(requires.hardware ?? {}).map(
              ([name, value]) => [`Wants ${name}`, String(value)] as const,
            ),
            artifact.runningVersion !== null && ['Calls itself', artifact.runningVersion],
            ['Uploaded', <Time key="at" at={artifact.createdAt} fixed />],
          ]}
        />
      </div>
    </section>
  );
}
