/** Every metric and label that the provisioned Grafana dashboard asks for is on /metrics of a server that ran a campaign. */
import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parser } from '@prometheus-io/lezer-promql';
import parseExposition from 'parse-prometheus-text-format';
import { startTestServer, type TestServer } from '../../../testing.js';
import { until } from '../../fleet/fleet.fixture.js';
import {
  draftOf,
  ended,
  goodLife,
  makeScene,
  readCampaign,
  startCampaign,
  touched,
} from '../../reports/scripted-gateway.fixture.js';

jest.setTimeout(90_000);
const DEPLOY = join(fileURLToPath(import.meta.url), '../../../../../../../deploy');

interface Selector {
  readonly metric: string;
  readonly labels: readonly string[];
}

interface Asked {
  readonly selectors: Selector[];
  /** Labels that results are grouped by. */
  readonly grouped: string[];
}

/** What a query asks for, by Prometheus' own grammar. @throws Error where it is no query. */
function asked(query: string): Asked {
  const found: Asked = { selectors: [], grouped: [] };
  parser.parse(query).iterate({
    enter(node) {
      const text = query.slice(node.from, node.to);
      if (node.type.isError) throw new Error(`${query} is no query at ${node.from}: ${text}`);
      if (node.name === 'VectorSelector') found.selectors.push({ metric: '', labels: [] });
      if (node.name === 'Identifier' && node.node.parent?.name === 'VectorSelector') {
        found.selectors[found.selectors.length - 1] = { metric: text, labels: [] };
      }
      if (node.name !== 'LabelName') return;
      if (node.node.parent?.name === 'GroupingLabels') found.grouped.push(text);
      else (found.selectors.at(-1)!.labels as string[]).push(text);
    },
  });
  return found;
}

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(async () => {
  await server?.stop();
});

describe('metrics', () => {
  let text: string;
  beforeAll(async () => {
    const { gateway, artifact } = await makeScene(server, 2);
    const campaign = await startCampaign(server, draftOf(artifact));
    await until(() => gateway.order?.grants.length === 2);
    const [good, bad] = gateway.order!.grants;
    await gateway.report(
      ...goodLife(good!, artifact),
      touched(bad!),
      ended(bad!, 'failed', { code: 'artifact.wrong-hardware' }),
    );
    await until(async () => (await readCampaign(server, campaign.id)).state === 'completed');
    await fetch(`${server.baseUrl}/health`);
    text = await (await fetch(`${server.baseUrl}/metrics`)).text();
  });

  it('are a valid exposition, and count what happened', () => {
    const families = parseExposition(text);
    const names = families.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    // What promtool's linter asks for.
    for (const { name, type, help } of families) {
      expect(name).toMatch(/^[a-z_][a-z0-9_]*$/);
      expect(help).not.toBe('');
      expect(['COUNTER', 'GAUGE', 'HISTOGRAM', 'SUMMARY']).toContain(type);
      if (name.startsWith('drydock_nodejs') || name.startsWith('drydock_process')) continue;
      expect(`${name} ${type === 'COUNTER'}`).toBe(`${name} ${name.endsWith('_total')}`);
      expect(name).not.toMatch(/milliseconds|_ms(?:_|$)|kilobytes/);
    }
    const valueOf = (name: string, labels: Record<string, string> = {}) =>
      families
        .find((family) => family.name === name)
        ?.metrics.find((one) => Object.entries(labels).every(([key, value]) => one.labels?.[key] === value))?.value;
    expect(valueOf('drydock_deployments', { state: 'proven' })).toBe('1');
    expect(valueOf('drydock_deployments', { state: 'failed' })).toBe('1');
    expect(valueOf('drydock_failed_tries_total', { code: 'artifact.wrong-hardware' })).toBe('1');
    expect(valueOf('drydock_grants_total', { mode: 'update' })).toBe('2');
    expect(valueOf('drydock_campaigns', { state: 'completed' })).toBe('1');
  });

  it('carry labels whose values are bounded', () => {
    const allowed = new Set([
      'method',
      'route',
      'status',
      'state',
      'queue',
      'part',
      'code',
      'mode',
      'disposition',
      'why',
    ]);
    for (const { name, metrics } of parseExposition(text)) {
      if (name.startsWith('drydock_nodejs') || name.startsWith('drydock_process')) continue;
      for (const { labels } of metrics) {
        for (const [label, value] of Object.entries(labels ?? {})) {
          expect(`${name} ${label} ${allowed.has(label)}`).toBe(`${name} ${label} true`);
          // Neither ids nor names of the fleet.
          expect(value).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/);
        }
      }
    }
  });

  it('have everything that the dashboard asks for', () => {
    const dashboard = JSON.parse(readFileSync(join(DEPLOY, 'grafana/dashboards/drydock.json'), 'utf8')) as {
      panels: { title: string; datasource?: { uid: string }; targets?: { expr: string; legendFormat: string }[] }[];
    };
    const families = new Map(parseExposition(text).map((family) => [family.name, family]));
    const datasources = readFileSync(join(DEPLOY, 'grafana/provisioning/datasources/prometheus.yaml'), 'utf8');
    const missing: string[] = [];
    let queries = 0;
    for (const panel of dashboard.panels) {
      if (panel.datasource) expect(datasources).toContain(`uid: ${panel.datasource.uid}`);
      for (const { expr, legendFormat } of panel.targets ?? []) {
        queries += 1;
        const { selectors, grouped } = asked(expr);
        expect(selectors.length).toBeGreaterThan(0);
        const labels = new Set<string>();
        for (const selector of selectors) {
          const family =
            families.get(selector.metric) ?? families.get(selector.metric.replace(/_(?:bucket|sum|count)$/, ''));
          if (!family) {
            missing.push(`${panel.title}: ${selector.metric}`);
            continue;
          }
          for (const metric of family.metrics) for (const label of Object.keys(metric.labels ?? {})) labels.add(label);
          if (family.type === 'HISTOGRAM')
            for (const label of /^\w+_request/.test(family.name) ? ['le', 'route', 'method', 'status'] : ['le'])
              labels.add(label);
          for (const label of selector.labels)
            if (!labels.has(label)) missing.push(`${panel.title}: ${selector.metric}{${label}}`);
        }
        const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!);
        for (const label of shown) if (!grouped.includes(label)) missing.push(`${panel.title}: legend ${label}`);
        for (const label of grouped) if (!labels.has(label)) missing.push(`${panel.title}: by (${label})`);
      }
    }
    expect(missing).toEqual([]);
    expect(queries).toBeGreaterThan(15);
  });

  const promtool = ['/usr/bin/promtool', '/usr/local/bin/promtool'].find((file) => {
    try {
      execFileSync(file, ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
  if (promtool !== undefined) {
    it('please promtool', () => {
      // It ends with 3 where it only advises, and with 1 where the text is not valid.
      const own = text.split(/(?=^# HELP )/m).filter((part) => !/^# HELP drydock_(?:nodejs|process)_/.test(part));
      execFileSync(promtool, ['check', 'metrics'], { input: own.join(''), stdio: ['pipe', 'inherit', 'inherit'] });
    });
  }
});
