/** A plan as the file that `drydock campaign apply` takes. Loaded only where one is shown: the writer of YAML is large. */
import type { StoredPlan } from '@drydock/contracts';
import { writeCampaignFile } from '@drydock/contracts/campaign-file';
import { useQuery } from '@tanstack/react-query';
import { artifactById } from '../data/artifacts.js';
import { command, CopyButton } from '../pieces/copy-button.js';
import { Part } from '../pieces/page-state.js';
import classes from './plan.module.css';

type Plan = Pick<StoredPlan, 'name' | 'note' | 'artifact' | 'selector' | 'policy'>;

/** @throws ApiProblemError where the artifact that an abort restores cannot be read. */
export async function yamlOf(plan: Plan): Promise<string> {
  const { onAbort } = plan.policy;
  const restored = typeof onAbort === 'string' ? undefined : (await artifactById(onAbort.restore)).sha256;
  const { name, note, artifact, selector, policy } = plan;
  return writeCampaignFile({ name, note, artifact, selector, policy }, restored);
}

export default function PlanFile({ plan, version }: { plan: Plan; version: string }) {
  const yaml = useQuery({ queryKey: ['plan-file', version], staleTime: Infinity, queryFn: () => yamlOf(plan) });
  return (
    <Part query={yaml} rows={8}>
      {(text) => (
        <>
          <pre className={classes.yaml} tabIndex={0} aria-label="The plan as a file">
            {text}
          </pre>
          <div className="row">
            <CopyButton text={text} label="Copy as YAML" />
            <CopyButton text={command('campaign', 'apply', '-f', 'campaign.yaml')} label="Copy as command" />
          </div>
        </>
      )}
    </Part>
  );
}
