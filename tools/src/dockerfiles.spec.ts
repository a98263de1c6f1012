/** Images are not built in tests; what their stages copy is compared with what the workspace has. */
import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = process.cwd();
const text = (path: string): string => readFileSync(join(root, path), 'utf8');
const manifest = (folder: string): { name: string; dependencies?: Record<string, string> } =>
  JSON.parse(text(`${folder}/package.json`)) as { name: string; dependencies?: Record<string, string> };

const folders = [
  ...['libs', 'apps'].flatMap((parent) => readdirSync(join(root, parent)).map((name) => `${parent}/${name}`)),
  'bench',
  'tools',
];
const folderOf = new Map(folders.map((folder) => [manifest(folder).name, folder]));

/** Folders of the workspace that a project runs on, itself included. */
function needed(folder: string, found = new Set<string>()): Set<string> {
  found.add(folder);
  for (const name of Object.keys(manifest(folder).dependencies ?? {})) {
    const next = folderOf.get(name);
    if (next !== undefined && !found.has(next)) needed(next, found);
  }
  return found;
}

describe.each(['agent', 'server'])('the image of the %s', (app) => {
  const lines = text(`deploy/Dockerfile.${app}`).split('\n');

  it('installs the workspace as the lock file has it', () => {
    for (const folder of folders) expect(lines).toContain(`COPY ${folder}/package.json ${folder}/`);
  });
});

it('the image of the server holds every part of the workspace that the server runs on', () => {
  const lines = text('deploy/Dockerfile.server').split('\n');
  const parts = [...needed('apps/server')];
  expect(parts.length).toBeGreaterThan(2);
  for (const folder of parts) expect(lines).toContain(`COPY --from=build /src/${folder} ${folder}`);
});
