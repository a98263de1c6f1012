/** Fields of a plan that differ, looser ones first. */
import type { PolicyDiff } from '@drydock/contracts';
import { diffPlace, diffValue } from './diff-words.js';
import classes from './plan.module.css';

interface Props {
  readonly lines: PolicyDiff['lines'];
  readonly label: string;
  /** Heads of the two sides. */
  readonly from?: string;
  readonly to?: string;
}

export function ChangeLines({ lines, label, from = 'Was', to = 'Is' }: Props) {
  return (
    <div className={classes.scroll} tabIndex={0} role="region" aria-label={label}>
      <table className={classes.diff}>
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">{from}</th>
            <th scope="col">{to}</th>
            <th scope="col">Looser</th>
          </tr>
        </thead>
        <tbody>
          {[...lines]
            .sort((a, b) => Number(b.looser === true) - Number(a.looser === true))
            .map((line) => (
              <tr key={line.path} data-looser={line.looser === true || undefined}>
                <th scope="row">{diffPlace(line.path)}</th>
                <td>{diffValue(line.path, line.from)}</td>
                <td>{diffValue(line.path, line.to)}</td>
                <td>{line.looser === true ? '⚠ looser' : line.looser === false ? 'stricter' : ''}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </div>
  );
}
