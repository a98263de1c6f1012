/** Fields whose values are things that the server keeps. */
import { answerOf } from '@drydock/api-client';
import { NativeSelect, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { reading } from '../../data/api.js';
import { faultAt, usePlanDesk } from './plan-context.js';
import classes from './new-campaign.module.css';

/** The advisory that an urgent campaign answers. */
export function AdvisoryField() {
  const { form, set, faults } = usePlanDesk();
  const advisories = useQuery({
    queryKey: ['advisories', 'choice'],
    queryFn: () => answerOf(reading.GET('/api/v1/advisories', { params: { query: { state: 'open', limit: 200 } } })),
  });
  const chosen = form.policy.urgent?.advisory ?? '';
  const items = advisories.data?.items ?? [];
  const known = items.some(({ cve, id }) => cve === chosen || id === chosen);
  return (
    <NativeSelect
      label="Urgent: answers the advisory"
      value={items.find(({ id }) => id === chosen)?.cve ?? chosen}
      onChange={(event) => {
        const { value } = event.currentTarget;
        set('policy.urgent', value === '' ? undefined : { advisory: value });
      }}
      error={faultAt(faults, 'policy.urgent.advisory') ?? faultAt(faults, 'policy.urgent')}
      data={[
        { value: '', label: 'not urgent' },
        ...(known || chosen === '' ? [] : [{ value: chosen, label: chosen }]),
        ...items.map(({ cve, title }) => ({ value: cve, label: `${cve} ${title}`.slice(0, 80) })),
      ]}
      className={classes.field}
    />
  );
}

/** What an abort does with devices that have no running application. */
export function OnAbortField() {
  const { form, set, faults, artifact } = usePlanDesk();
  const { onAbort } = form.policy;
  const model = artifact?.model;
  const artifacts = useQuery({
    queryKey: ['artifacts', 'choice', model],
    queryFn: () => answerOf(reading.GET('/api/v1/artifacts', { params: { query: { limit: 200, model: model! } } })),
    enabled: model !== undefined,
  });
  const value = typeof onAbort === 'string' ? onAbort : onAbort.restore;
  const others = (artifacts.data?.items ?? []).filter(({ id }) => id !== form.artifactId);
  return (
    <NativeSelect
      label="At an abort, broken devices"
      value={value}
      onChange={(event) => {
        const next = event.currentTarget.value;
        set('policy.onAbort', next === 'finish' || next === 'leave' ? next : { restore: next });
      }}
      error={faultAt(faults, 'policy.onAbort') ?? faultAt(faults, 'policy.onAbort.restore')}
      data={[
        { value: 'finish', label: 'are rescued with this artifact' },
        { value: 'leave', label: 'are left as they are' },
        ...(typeof onAbort === 'string' || others.some(({ id }) => id === value)
          ? []
          : [{ value, label: 'are rescued with another artifact' }]),
        ...others.map(({ id, version }) => ({ value: id, label: `are rescued with ${version}` })),
      ]}
      className={classes.field}
    />
  );
}

/** Not before: a moment by the reader's own clock. */
export function StartAtField() {
  const { form, set, faults } = usePlanDesk();
  const { startAt } = form.policy;
  return (
    <TextInput
      type="datetime-local"
      label="Not before (your clock)"
      value={startAt === undefined ? '' : localText(startAt)}
      onChange={(event) => {
        const { value } = event.currentTarget;
        const at = Date.parse(value);
        set('policy.startAt', value === '' || Number.isNaN(at) ? undefined : new Date(at).toISOString());
      }}
      error={faultAt(faults, 'policy.startAt')}
      className={classes.field}
    />
  );
}

/** As the browser's own field writes it. */
function localText(iso: string): string {
  const at = new Date(iso);
  const shifted = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}
