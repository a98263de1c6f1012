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

describe.each([
  ['agent', '/state'],
  ['server', '/data'],
])('what ships as the image of the %s', (app, volume) => {
  const shipped = text(`deploy/Dockerfile.${app}`)
    .split(/^FROM /m)
    .at(-1)!;

  it('runs as a user that is not root, whose only volume is closed to others', () => {
    expect(shipped).toMatch(/^USER node$/m);
    expect(shipped).toMatch(new RegExp(`^RUN install -d -o node -g node -m 700 ${volume}( |$)`, 'm'));
    // A volume that nobody names is lost with its container: only the one that people are told of may be one.
    expect(shipped.match(/^VOLUME .*$/gm)).toEqual([`VOLUME ${volume}`]);
  });
});

it('the image of the server holds no sources', () => {
  expect(text('deploy/Dockerfile.server')).toContain(
    '! -name dist ! -name node_modules ! -name package.json -exec rm -rf {} +',
  );
});

it('no secret of this folder reaches a builder', () => {
  const ignored = text('.dockerignore').split('\n');
  for (const name of ['.git', '.drydock', '.env', '**/*.pem', '**/*.key']) expect(ignored).toContain(name);
});

it.each(['deploy/Dockerfile.server', 'docker-compose.yml'])('%s sets only what is a setting', (file) => {
  // Any other name that begins so is an error at start.
  const known = new Set([...text('docs/settings.md').matchAll(/^\| `(\w+)`/gm)].map((match) => match[1]));
  const set = [...text(file).matchAll(/\bDRYDOCK_\w+/g)].map((match) => match[0]);
  expect(set.length).toBeGreaterThan(0);
  expect(set.filter((name) => !known.has(name))).toEqual([]);
});
