import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Home } from '../testing.fixture.js';
import { ConfigStore } from './config.js';
import { requireTls, resolveSettings, serverUrl, tokenOf } from './settings.js';

let home: Home;
let store: ConfigStore;
beforeEach(() => {
  home = new Home();
  store = new ConfigStore(home.config);
  store.saveConfig({
    current: 'work',
    contexts: {
      work: { server: 'https://work.example.com', output: 'json' },
      lab: { server: 'http://127.0.0.1:3000' },
    },
  });
  store.saveCredential('work', { server: 'https://work.example.com', token: 'dd_work' });
});
afterEach(() => home.remove());

it('takes a flag before the environment, that before the context, that before the default', () => {
  const of = (flags: object, env: Record<string, string> = {}) => resolveSettings(flags, env, store);
  expect(of({})).toMatchObject({ contextName: 'work', json: true, mayAsk: true });
  expect(of({}, { DRYDOCK_CONTEXT: 'lab' })).toMatchObject({ contextName: 'lab', json: false });
  expect(of({ context: 'work' }, { DRYDOCK_CONTEXT: 'lab' }).contextName).toBe('work');
  expect(of({}, { DRYDOCK_SERVER: 'https://a.example.com/' }).context?.server).toBe('https://a.example.com');
  expect(of({ server: 'https://b.example.com' }, { DRYDOCK_SERVER: 'https://a.example.com' }).context?.server).toBe(
    'https://b.example.com',
  );
  expect(of({}, { DRYDOCK_OUTPUT: 'table' }).json).toBe(false);
  expect(of({ json: true }, { DRYDOCK_OUTPUT: 'table' }).json).toBe(true);
  expect(of({ input: false }).mayAsk).toBe(false);
  expect(of({}, { DRYDOCK_NO_INPUT: '1' }).mayAsk).toBe(false);
  expect(of({}, { NO_COLOR: '1' }).color).toBe(false);
  expect(() => of({ context: 'wrok' })).toThrow(expect.objectContaining({ more: { fix: 'did you mean work?' } }));
  expect(() => of({}, { DRYDOCK_OUTPUT: 'xml' })).toThrow(expect.objectContaining({ exit: 2 }));
});

it('shows a token to the server that it is for, and to no other', () => {
  const of = (flags: object, env: Record<string, string> = {}) =>
    tokenOf(resolveSettings(flags, env, store), env, store);
  expect(of({})).toBe('dd_work');
  expect(() => of({ server: 'https://evil.example.com' })).toThrow(
    expect.objectContaining({ code: 'sign-in.needed', exit: 4 }),
  );
  expect(() => of({ context: 'lab' })).toThrow(expect.objectContaining({ code: 'sign-in.needed' }));
  expect(of({ context: 'lab' }, { DRYDOCK_TOKEN: 'dd_ci' })).toBe('dd_ci');
  const file = join(home.folder, 'token');
  writeFileSync(file, 'dd_file\n', { mode: 0o600 });
  expect(of({}, { DRYDOCK_TOKEN_FILE: file, DRYDOCK_TOKEN: 'dd_ci' })).toBe('dd_file');
  chmodSync(file, 0o640);
  expect(() => of({}, { DRYDOCK_TOKEN_FILE: file })).toThrow(
    expect.objectContaining({ code: 'settings.open', more: { fix: `chmod 600 ${file}` } }),
  );
  expect(() => of({}, { DRYDOCK_TOKEN_FILE: join(home.folder, 'none') })).toThrow(
    expect.objectContaining({ code: 'sign-in.needed' }),
  );
});

it('keeps what is secret to the person alone, and forgets it', () => {
  expect(statSync(store.credentialsPath).mode & 0o777).toBe(0o600);
  expect(statSync(store.configPath).mode & 0o777).toBe(0o600);
  expect(readFileSync(store.configPath, 'utf8')).not.toContain('dd_work');
  store.saveCredential('work', undefined);
  expect(readFileSync(store.credentialsPath, 'utf8')).not.toContain('dd_work');
  chmodSync(store.credentialsPath, 0o644);
  expect(() => store.credential('work')).toThrow(expect.objectContaining({ code: 'settings.open' }));
});

it('sends no token in the clear to another machine', () => {
  expect(() => requireTls({ server: 'http://drydock.example.com' })).toThrow(
    expect.objectContaining({ code: 'settings.plaintext' }),
  );
  for (const server of ['https://drydock.example.com', 'http://127.0.0.1:3000', 'http://localhost:1', 'http://[::1]:1'])
    requireTls({ server });
  requireTls({ server: 'http://drydock.example.com', allowPlaintext: true });
  expect(() => requireTls({ server: 'http://127.0.0.1.example.com' })).toThrow();
});

it('takes addresses of servers only', () => {
  expect(serverUrl('https://x.example.com/drydock/')).toBe('https://x.example.com/drydock');
  for (const text of ['x.example.com', 'ftp://x', 'https://me:secret@x', 'https://x/?a', ''])
    expect(() => serverUrl(text)).toThrow(expect.objectContaining({ exit: 2 }));
});

it('says what is wrong with a file that a person broke', async () => {
  mkdirSync(home.config, { recursive: true });
  writeFileSync(store.configPath, 'contexts: {work: {server: 5}}\n', { mode: 0o600 });
  const told = await home.run(['whoami']);
  expect([told.status, told.stderr]).toEqual([
    3,
    expect.stringContaining('config.yaml is not valid at contexts.work.server'),
  ]);
  writeFileSync(store.configPath, 'a: [\n', { mode: 0o600 });
  expect((await home.run(['whoami'])).stderr).toContain('is no YAML');
  expect(existsSync(store.configPath)).toBe(true);
});
