/** The document that clients are made from is valid OpenAPI, and every route in it says who may call it. */
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { describeApi } from '../describe-api.js';

jest.setTimeout(60_000);

type Document = Awaited<ReturnType<typeof describeApi>>;
let document: Document;
beforeAll(async () => {
  document = await describeApi();
});

/** In a process of its own: the linter tells its kinds of values apart by what Jest gives each spec anew. */
const LINTER = `
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { text } from 'node:stream/consumers';
const config = await createConfig({ extends: ['recommended-strict'], rules: { 'no-unused-components': 'error' } });
const problems = await lintFromString({ source: await text(process.stdin), config });
console.log(JSON.stringify(problems.map(({ ruleId, message, location }) => ruleId + ' ' + (location[0]?.pointer ?? '') + ': ' + message)));
`;

async function lint(api: object): Promise<string[]> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(process.execPath, ['--input-type=module', '-e', LINTER], {
    cwd: dirname(fileURLToPath(import.meta.url)),
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 40_000,
  });
  child.stdin.end(JSON.stringify(api));
  return JSON.parse(await text(child.stdout)) as string[];
}

describe('the OpenAPI document', () => {
  it('passes the linter', async () => {
    expect(await lint(document)).toEqual([]);
  });

  it('would not pass with a reference that leads nowhere', async () => {
    const broken = structuredClone(document) as { paths: Record<string, { get?: { responses: object } }> };
    broken.paths['/api/v1/overview']!.get!.responses = {
      200: { description: '', content: { 'application/json': { schema: { $ref: '#/components/schemas/Nothing' } } } },
    };
    expect((await lint(broken)).join('\n')).toContain('no-unresolved-refs');
  });

  it('says of every route who may call it', () => {
    const open: string[] = [];
    for (const [path, item] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(item as Record<string, { description?: string }>)) {
        if (!/^Who may call it: (?:viewer|operator|approver|admin)/.test(operation.description ?? '')) {
          open.push(`${method} ${path}`);
        }
      }
    }
    // Signing in, health, and what gateways say with keys of their own.
    expect(open.filter((route) => !/ \/(?:agent\/v1|health)/.test(route)).sort()).toEqual([
      'get /api/v1/session/methods',
      'post /api/v1/password',
      'post /api/v1/session',
    ]);
  });
});
