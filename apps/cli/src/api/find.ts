/** Things by the names that people have for them. */
import { itemsOf } from '@drydock/api-client';
import { nearestOf } from '@drydock/contracts';
import { CliError } from '../errors/cli-error.js';
import { EXIT } from '../exit-codes.js';
import type { Api } from './connect.js';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
export const isId = (text: string): boolean => UUID.test(text);

const missing = (what: string, name: string, fix: string): CliError =>
  new CliError('request.not-found', EXIT.notFound, `There is no ${what} ${name}.`, { fix });

/** The id of a campaign. @throws CliError `request.not-found`, with the nearest name. */
export async function findCampaign(api: Api, name: string): Promise<string> {
  if (isId(name)) return name;
  const { items } = await api.ask(api.client.GET('/api/v1/campaigns', { params: { query: { name, limit: 1 } } }));
  if (items[0]) return items[0].id;
  const { items: some } = await api.ask(api.client.GET('/api/v1/campaigns', { params: { query: { limit: 200 } } }));
  const nearest = nearestOf(
    name,
    some.map((one) => one.name),
  );
  throw missing('campaign', name, nearest === undefined ? 'drydock campaign ls' : `did you mean ${nearest}?`);
}

export async function getCampaign(api: Api, name: string) {
  const id = await findCampaign(api, name);
  return api.ask(api.client.GET('/api/v1/campaigns/{id}', { params: { path: { id } } }));
}

/** @returns undefined where there is none of that name. */
export async function campaignNamed(api: Api, name: string) {
  const { items } = await api.ask(api.client.GET('/api/v1/campaigns', { params: { query: { name, limit: 1 } } }));
  return items[0] === undefined ? undefined : getCampaign(api, items[0].id);
}

/**
 * A stored artifact by its SHA-256, or by the first digits where they are enough.
 * @throws CliError `request.not-found`, `artifact.ambiguous`, `usage.sha256`
 */
export async function findArtifact(api: Api, text: string) {
  const digits = text.replace(/^sha256:/, '').toLowerCase();
  if (!/^[0-9a-f]{6,64}$/.test(digits)) {
    throw new CliError('usage.sha256', EXIT.usage, `${text} is no SHA-256 of an artifact.`, {
      fix: 'write at least 6 of its digits: drydock artifact ls',
    });
  }
  const { items } = await api.ask(
    api.client.GET('/api/v1/artifacts', { params: { query: { sha256: digits, limit: 3 } } }),
  );
  if (items.length > 1) {
    throw new CliError('artifact.ambiguous', EXIT.refused, `Several artifacts begin with ${digits}.`, {
      fix: 'write more digits: drydock artifact ls',
    });
  }
  const [found] = items;
  if (found) return found;
  throw missing('artifact', `that begins with ${digits}`, 'drydock artifact push FILE --model MODEL');
}

/** By id, by name, or by what ties the unit (serial number, address). */
export async function findDevice(api: Api, text: string) {
  if (isId(text)) return api.ask(api.client.GET('/api/v1/devices/{id}', { params: { path: { id: text } } }));
  const quoted = `"${text.replace(/[\\"*]/g, (char) => `\\${char}`)}"`;
  const [byIdentity, byName] = await Promise.all([
    api.ask(api.client.GET('/api/v1/devices', { params: { query: { identity: text, limit: 3 } } })),
    api.ask(api.client.GET('/api/v1/devices', { params: { query: { filter: `name==${quoted}`, limit: 3 } } })),
  ]);
  const found = [...new Map([...byIdentity.items, ...byName.items].map((device) => [device.id, device])).values()];
  if (found.length > 1) {
    throw new CliError('device.ambiguous', EXIT.refused, `Several devices are called ${text}.`, {
      fix: `name one by its id: ${found.map(({ id }) => id).join(', ')}`,
    });
  }
  if (!found[0]) throw missing('device', text, `drydock device ls --where 'name==*${text.replace(/[^\w.-]/g, '')}*'`);
  return api.ask(api.client.GET('/api/v1/devices/{id}', { params: { path: { id: found[0].id } } }));
}

export async function findGateway(api: Api, text: string) {
  if (isId(text)) return api.ask(api.client.GET('/api/v1/gateways/{id}', { params: { path: { id: text } } }));
  const { items } = await api.ask(api.client.GET('/api/v1/gateways', { params: { query: { name: text, limit: 20 } } }));
  const live = items.filter((gateway) => gateway.state !== 'decommissioned');
  const found = live.length > 0 ? live : items;
  if (found.length > 1) {
    throw new CliError('gateway.ambiguous', EXIT.refused, `Several gateways are called ${text}.`, {
      fix: `name one by its id: ${found.map(({ id }) => id).join(', ')}`,
    });
  }
  if (!found[0]) throw missing('gateway', text, 'drydock gateway ls');
  return api.ask(api.client.GET('/api/v1/gateways/{id}', { params: { path: { id: found[0].id } } }));
}

/** Sites by name or id; there are few enough to read them all. */
export async function findSite(api: Api, text: string): Promise<{ readonly id: string; readonly name: string }> {
  const names: string[] = [];
  const sites = itemsOf((after) =>
    api.ask(
      api.client.GET('/api/v1/sites', { params: { query: { limit: 500, ...(after !== undefined && { after }) } } }),
    ),
  );
  for await (const site of sites) {
    if (site.id === text || site.name === text) return site;
    names.push(site.name);
  }
  const nearest = nearestOf(text, names);
  throw missing(
    'site',
    text,
    nearest === undefined ? `drydock gateway enrol --site ${text} --new-site` : `did you mean ${nearest}?`,
  );
}

/** By CVE number or id. */
export async function findAdvisory(api: Api, text: string) {
  if (isId(text)) return api.ask(api.client.GET('/api/v1/advisories/{id}', { params: { path: { id: text } } }));
  const cves: string[] = [];
  const advisories = itemsOf((after) =>
    api.ask(
      api.client.GET('/api/v1/advisories', {
        params: { query: { limit: 500, ...(after !== undefined && { after }) } },
      }),
    ),
  );
  for await (const advisory of advisories) {
    if (advisory.cve.toLowerCase() === text.toLowerCase()) return advisory;
    cves.push(advisory.cve);
  }
  const nearest = nearestOf(text, cves);
  throw missing('advisory', text, nearest === undefined ? 'drydock advisory ls' : `did you mean ${nearest}?`);
}
