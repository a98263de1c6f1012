/** Which devices: a filter in words and numbers, and what else the plan says of them. */
import { Radio } from '@mantine/core';
import { filterFault, filterValues, useFilterFields } from '../../data/filter-help.js';
import { count, counted } from '../../format/numbers.js';
import { FilterBar } from '../../pieces/filter-bar.js';
import { TickField } from './fields.js';
import { faultAt, usePlanDesk } from './plan-context.js';
import { useFilterWords } from './use-preview.js';
import classes from './new-campaign.module.css';

export function WhichStep() {
  const { form, set, faults, artifact } = usePlanDesk();
  const fields = useFilterFields('device');
  const filter = form.selector.filter ?? '';
  const words = useFilterWords(form.selector.filter);
  const others = faults.filter(({ path }) => path.startsWith('selector') && path !== 'selector.filter');
  return (
    <>
      <section className="stack" aria-labelledby="devices">
        <h2 id="devices">Devices</h2>
        <FilterBar
          label="Devices"
          value={filter}
          onChange={(text) => set('selector.filter', text === '' ? undefined : text)}
          onType={(text) => set('selector.filter', text === '' ? undefined : text)}
          fields={fields}
          loadValues={filterValues}
          bareWords={['name', 'device']}
          error={faultAt(faults, 'selector.filter') ?? filterFault(words.error)}
          placeholder={`all ${artifact?.model ?? 'devices of the model'}; or e.g. site==berlin;version<2.0.0`}
        />
        {filter !== '' && words.data && !words.isError && (
          <p className={words.isPlaceholderData ? 'muted' : undefined}>
            {words.data.sentence.replace(/\.$/, '')}: {words.data.exact ? '' : 'about '}
            {counted(words.data.count, 'device')} of the fleet match.
          </p>
        )}
        {artifact && (
          <p className="muted">Only devices of the model {artifact.model} are ever taken, whatever the filter says.</p>
        )}
        <OtherParts />
        {others.map(({ path, message }) => (
          <p key={path + message} className={classes.fault} role="alert">
            {message}
          </p>
        ))}
      </section>
      <Radio.Group
        label="Members"
        value={form.policy.membership}
        onChange={(value) => set('policy.membership', value)}
        error={faultAt(faults, 'policy.membership')}
      >
        <div className="stack">
          <Radio value="frozen" label="Those that match when it starts" />
          <Radio value="dynamic" label="Also those that match later: they join the last stage" />
        </div>
      </Radio.Group>
      <TickField
        path="policy.allowDowngrade"
        label="Also take devices that run a newer version"
        hint="They are left out otherwise. Who approves it is shown this."
      />
    </>
  );
}

/** Lists that a plan from elsewhere carries: shown, and taken away by one press. */
function OtherParts() {
  const { form, set } = usePlanDesk();
  const { selector } = form;
  const parts: [path: string, label: string, title: string][] = [];
  const list = (key: 'models' | 'sites' | 'gateways' | 'runningVersions', name: string) => {
    const values = selector[key];
    if (!values) return;
    parts.push([
      `selector.${key}`,
      `${name} ${values.slice(0, 6).join(', ')}${values.length > 6 ? ` and ${count(values.length - 6)} more` : ''}`,
      values.join(', '),
    ]);
  };
  list('models', 'model');
  list('sites', 'site');
  list('gateways', 'gateway');
  list('runningVersions', 'runs');
  if (selector.tags) {
    const tags = Object.entries(selector.tags).map(([key, value]) => `${key}:${value}`);
    parts.push(['selector.tags', `tags ${tags.join(', ')}`, tags.join(', ')]);
  }
  if (selector.devices) parts.push(['selector.devices', `${counted(selector.devices.length, 'device')} by id`, '']);
  if (selector.updatedBy)
    parts.push(['selector.updatedBy', 'updated by the campaign that is rolled back', selector.updatedBy]);
  if (parts.length === 0) return null;
  return (
    <div className="row">
      <span className="muted">and only</span>
      {parts.map(([path, label, title]) => (
        <span key={path} className={classes.chip} title={title}>
          {label}
          <button
            type="button"
            className="plain-button"
            aria-label={`Drop: ${label}`}
            onClick={() => set(path, undefined)}
          >
            ✕
          </button>
        </span>
      ))}
    </div>
  );
}
