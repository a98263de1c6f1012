/** Failures against tried, with the staircase at which the brake would halt: known from the policy, so drawn before the first device. */
import type { BrakeBody, BrakeTestBody, Campaign } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { count, counted, limit, percent } from '../../format/numbers.js';
import { likely } from '../../format/wilson.js';
import { Part } from '../../pieces/page-state.js';
import { Plot } from '../../pieces/plot.js';
import { BrakeSmalls } from './brake-smalls.js';
import { brakeLines, evidenceWords, moreUntilHalt, ringWords, testName } from './brake-steps.js';
import classes from './campaign.module.css';
import { brakeQuery } from './queries.js';
import { Strata } from './strata.js';

export function Brake({ campaign }: { campaign: Campaign }) {
  const brake = useQuery(brakeQuery(campaign.id));
  return (
    <section className="panel stack" aria-labelledby="brake">
      <header>
        <h2 id="brake">
          Brake <span className="muted">failed or reverted, limit {limit(campaign.policy.brake.limit)} of tried</span>
        </h2>
      </header>
      <Part query={brake} rows={5}>
        {(body) => <Tests body={body} total={campaign.sums.total} />}
      </Part>
      <Strata campaign={campaign} />
    </section>
  );
}

function Tests({ body, total }: { body: BrakeBody; total: number }) {
  const [open, setOpen] = useState('campaign');
  const shown = body.tests.find((test) => test.test === open) ?? body.tests[0];
  if (!shown) return <p>The brake has nothing to test yet.</p>;
  return (
    <>
      <TestPlot test={shown} total={total} />
      {body.amber && (
        <p className={classes.amber}>Evidence against the firmware is rising: pace does not grow and no stage opens.</p>
      )}
      {body.tests.length > 1 && <BrakeSmalls tests={body.tests} shown={shown.test} show={setOpen} />}
    </>
  );
}

function TestPlot({ test, total }: { test: BrakeTestBody; total: number }) {
  const lines = useMemo(() => brakeLines(test, total), [test, total]);
  const more = moreUntilHalt(test);
  const answer = test.rings
    ? `It rang: ${test.sentence}`
    : more === undefined
      ? test.sentence
      : test.then === 'halt'
        ? `${counted(more, 'more failure')} would halt it.`
        : ringWords(test);
  const share = (failures: number, tried: number) =>
    tried === 0 ? 'none tried' : `${percent(failures / tried)}, ${likely(failures, tried)}`;
  const { x, path, halt } = lines;
  const top = Math.max(3, ...path.map((n) => n ?? 0), (halt.find((n) => n !== null) ?? 0) + 2);
  const series = useMemo(
    () => [
      { label: 'halts at', values: halt, ink: 'bad' as const, steps: true, dashed: true, width: 1.5 },
      { label: 'failed or reverted', values: path, ink: 'text' as const, steps: true, dot: true },
    ],
    [halt, path],
  );
  return (
    <>
      {test.test !== 'campaign' && <p className="small muted">{testName(test)}</p>}
      <Plot
        label={`Failures against tried: ${test.sentence} ${answer}`}
        x={x}
        series={series}
        height={190}
        yMax={top}
        describe={(index) =>
          path[index] === null
            ? `After ${count(x[index])} tried it would halt at ${count(halt[index])} failures`
            : `${count(path[index])} of ${count(x[index])} tried (${share(path[index] ?? 0, x[index] ?? 0)}); halts at ${count(halt[index])}`
        }
        table={{
          head: ['Tried', 'Failed or reverted', 'Halts at'],
          rows: x.map((tried, index) => [count(tried), count(path[index]), count(halt[index])]),
        }}
      />
      <p>
        {answer} <span className="muted">Evidence {evidenceWords(test)}.</span>
      </p>
    </>
  );
}
