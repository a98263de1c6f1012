/** What a new campaign begins with: a kept draft, another campaign, an advisory, an artifact, or nothing. */
import { answerOf } from '@drydock/api-client';
import type { Advisory, Campaign } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { reading } from '../../data/api.js';
import { artifactById, findArtifact, type Artifact } from '../../data/artifacts.js';
import { emptyForm, nextName, suggestedName, type PlanForm } from './plan-form.js';
import type { NewCampaignSearch } from './route.js';

export interface Beginning {
  readonly form: PlanForm;
  /** Of a draft that is kept already. */
  readonly saved?: { readonly id: string; readonly revision: number };
  /** Where its first values come from, in words. */
  readonly origin?: string;
  /** It is no draft any more. */
  readonly over?: Campaign;
  /** Why it was sent back, by whom. */
  readonly sentBack?: { readonly by: string; readonly reason: string };
}

export type BeginningSearch = Omit<NewCampaignSearch, 'step'>;

export function useBeginning(search: BeginningSearch) {
  return useQuery({
    queryKey: ['plan-beginning', search],
    queryFn: () => begin(search),
    // A form is filled in once; what somebody else does to the draft meanwhile is told when it is saved.
    staleTime: Infinity,
    gcTime: 0,
  });
}

const isId = (text: string) => /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(text);

async function begin(search: BeginningSearch): Promise<Beginning> {
  if (search.draft !== undefined) {
    const id = search.draft;
    return ofDraft(await answerOf(reading.GET('/api/v1/campaigns/{id}', { params: { path: { id } } })));
  }
  if (search.from !== undefined) {
    const name = search.from;
    const campaign = await answerOf(reading.GET('/api/v1/campaigns-by-name/{name}', { params: { path: { name } } }));
    return { form: { ...formOf(campaign), name: nextName(campaign.name) }, origin: `Copied from ${campaign.name}.` };
  }
  if (search.advisory !== undefined) {
    return ofAdvisory(search.advisory, search.artifact);
  }
  if (search.artifact !== undefined) {
    const artifact = await chosen(search.artifact);
    return {
      form: { ...emptyForm(), artifactId: artifact.id, name: suggestedName(artifact.model, artifact.version) },
      origin: `Sends ${artifact.model} ${artifact.version}.`,
    };
  }
  return { form: emptyForm() };
}

const formOf = ({ name, note, artifact, selector, policy }: Campaign): PlanForm => ({
  name,
  note,
  artifactId: artifact.id,
  selector,
  policy,
});

function ofDraft(campaign: Campaign): Beginning {
  const form = formOf(campaign);
  if (campaign.state !== 'draft') return { form, over: campaign };
  const { stateReason, stateBy } = campaign;
  return {
    form,
    saved: { id: campaign.id, revision: campaign.revision },
    ...(stateReason !== null && stateBy !== null && { sentBack: { by: stateBy, reason: stateReason } }),
  };
}

const chosen = (idOrDigest: string): Promise<Artifact> =>
  isId(idOrDigest) ? artifactById(idOrDigest) : findArtifact(idOrDigest);

/** Urgent, with the artifact that mends it, for devices that run an affected version now. */
async function ofAdvisory(id: string, wanted: string | undefined): Promise<Beginning> {
  const [advisory, exposure] = await Promise.all([
    answerOf(reading.GET('/api/v1/advisories/{id}', { params: { path: { id } } })),
    answerOf(reading.GET('/api/v1/exposure', { params: { query: { advisory: id } } })),
  ]);
  const artifact = await answerArtifact(advisory, wanted);
  const versions = exposure.versions.flatMap(({ status, model, version, devices }) =>
    status === 'affected' && version !== null && devices > 0 && (artifact === undefined || model === artifact.model)
      ? [version]
      : [],
  );
  const blank = emptyForm();
  const form: PlanForm = {
    ...blank,
    name: suggestedName('urgent', advisory.cve),
    note: `${advisory.cve}: ${advisory.title}`,
    artifactId: artifact?.id ?? '',
    selector: versions.length > 0 ? { runningVersions: [...new Set(versions)] } : {},
    policy: {
      ...blank.policy,
      urgent: { advisory: advisory.cve },
      // As the server itself would say: few first, and not for long.
      stages: blank.policy.stages.map((stage, index) =>
        index === 0 ? { ...stage, percent: URGENT_CANARY_PERCENT, deadlineMs: URGENT_CANARY_MS } : stage,
      ),
    },
  };
  return { form, origin: `Answers ${advisory.cve}: for devices that run an affected version now.` };
}

const URGENT_CANARY_PERCENT = 2;
const URGENT_CANARY_MS = 3_600_000;

async function answerArtifact(advisory: Advisory, wanted: string | undefined): Promise<Artifact | undefined> {
  const id = wanted ?? advisory.models.find(({ fixedBy }) => fixedBy !== null)?.fixedBy ?? undefined;
  return id === undefined ? undefined : chosen(id);
}
