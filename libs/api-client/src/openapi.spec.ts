/** The document that clients are made from is sound by a linter that is not ours. */
import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { createConfig, lintFromString } from '@redocly/openapi-core';

const text = readFileSync(new URL('../openapi.json', import.meta.url), 'utf8');

async function lint(source: string): Promise<string[]> {
  const config = await createConfig({ extends: ['recommended'] });
  const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config });
  return problems.map(({ ruleId, message, location }) => `${ruleId} ${String(location[0]?.pointer ?? '')}: ${message}`);
}

it('has no errors and no warnings', async () => {
  expect(await lint(text)).toEqual([]);
});

it('would be told of a reference that leads nowhere', async () => {
  const broken = text.replaceAll('"#/components/schemas/PauseAnswer"', '"#/components/schemas/PausAnswer"');
  expect((await lint(broken)).join('\n')).toContain('no-unresolved-refs');
});
