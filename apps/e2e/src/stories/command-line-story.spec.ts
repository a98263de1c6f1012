/** A day at the command line: the real `drydock`, a real server, simulated devices. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Drydock } from '../drydock.js';
import { openConnectProxy, openSwallower } from '../http-between.js';
import { until } from '../operator.js';
import { makeSensorPackage } from '../packages.js';
import { SENSOR_MODEL } from '../simulated-site.js';
import { openWorld, type World } from '../world.js';

const IMAGE_BYTES = 16 * 1024;
/** The example of docs/cli.md, as it stands there. */
const EXAMPLE = /```yaml\n(apiVersion: drydock\/v1\n[\s\S]*?)```/.exec(
  readFileSync(new URL('../../../../docs/cli.md', import.meta.url), 'utf8'),
)?.[1];
const CONTROL = /[\0-\u0008\u000b-\u001f\u007f]/;

let world: World;
let cli: Drydock;

beforeAll(async () => {
  cli = new Drydock();
  world = await openWorld({
    imageBytes: IMAGE_BYTES,
    supervisionMs: 1000,
    sites: [{ name: 'berlin', sensors: [{}, {}], boards: [] }],
  });
}, 120_000);

afterAll(async () => {
  cli?.close();
  await world?.close();
}, 60_000);

const file = (name: string, bytes: string | Uint8Array): string => {
  const path = join(cli.home, name);
  writeFileSync(path, bytes);
  return path;
};
const push = async (version: number): Promise<string> => {
  const made = makeSensorPackage(version, world.sensorKey, IMAGE_BYTES);
  const path = file(made.fileName, made.file);
  const told = await cli.run([
    'artifact',
    'push',
    path,
    '--model',
    SENSOR_MODEL,
    '--version',
    made.version,
    '--running-version',
    made.version,
    '--json',
  ]);
  expect(told.stderr).toBe('');
  expect(told.status).toBe(0);
  return (told.json()['artifact'] as { sha256: string }).sha256;
};
const quick = 'timeouts: {start: 20s, download: 20s, transfer: 60s, activate: 20s, prove: 20s}';
const campaignFile = (name: string, sha: string, more = ''): string =>
  file(
    `${name}.yaml`,
    `apiVersion: drydock/v1\nkind: Campaign\nname: ${name}\nartifact: sha256:${sha.slice(0, 16)}\ndevices:\n  where: model==${SENSOR_MODEL};site==berlin\nstages:\n  - {name: canary, take: 1, gate: {minKnown: 1}}\n  - {name: rest, take: rest}\n${quick}\n${more}`,
  );

describe('at the command line', () => {
  it('signs in with a token, and says who one is', async () => {
    const nobody = await cli.run(['campaign', 'ls']);
    expect([nobody.status, nobody.stdout]).toEqual([4, '']);
    expect(nobody.stderr).toMatch(
      /^Error: No server is known here\.\nFix: {3}drydock login --server URL\nCode: {2}sign-in\.needed {3}Exit: 4\n$/,
    );

    const wrong = await cli.run(['login', '--server', world.server.baseUrl, '--token-stdin'], { input: 'dd_wrong' });
    expect([wrong.status, wrong.stdout]).toEqual([4, '']);
    const login = await cli.run(['login', '--server', world.server.baseUrl, '--context', 'home', '--token-stdin'], {
      input: `${world.server.adminToken}\n`,
    });
    expect([login.status, login.stderr]).toEqual([0, '']);
    expect(login.stdout).toContain(`Signed in at ${world.server.baseUrl}`);
    const credentials = join(cli.home, 'config', 'drydock', 'credentials.yaml');
    expect(statSync(credentials).mode & 0o777).toBe(0o600);
    const me = await cli.run(['whoami', '--json']);
    expect(me.json()).toMatchObject({ schema: 'drydock.cli/v1', context: 'home', person: { roles: ['admin'] } });
    expect((await cli.run(['context', 'ls'])).stdout).toContain('home');
    // A token is for its server alone.
    const other = await cli.run(['whoami', '--server', 'http://127.0.0.1:9']);
    expect(other.status).toBe(4);
  }, 60_000);

  it('signs in with a password in a terminal; the token is this machine’s, and goes with it', async () => {
    const own = new Drydock();
    try {
      const person = (await world.operator.call('POST', '/api/v1/people', {
        name: 'M. Okafor',
        email: 'okafor@example.com',
        roles: ['operator'],
      })) as { id: string };
      const link = (await world.operator.call('POST', `/api/v1/people/${person.id}/password-link`)) as { url: string };
      const secret = new URL(link.url).hash.slice(1) || (new URL(link.url).searchParams.get('token') ?? '');
      const token = secret.replace(/^token=/, '');
      await world.operator.call('POST', '/api/v1/password', { token, password: 'correct horse battery' });
      const login = await own.terminal(
        ['login', '--server', world.server.baseUrl],
        [
          [/Email.*: $/, 'okafor@example.com\r'],
          [/Password: $/, 'correct horse battery\r'],
        ],
      );
      expect(login.screen).toContain('as M. Okafor');
      expect(login.screen).not.toContain('correct horse');
      expect(login.status).toBe(0);
      expect((await own.run(['whoami'])).stdout).toContain('may be: operator');
      const sessions = (await world.operator.call('GET', `/api/v1/people/${person.id}/sessions`)) as {
        items: unknown[];
      };
      expect(sessions.items).toEqual([]);
      const refused = await own.run(['webhook', 'ls']);
      expect([refused.status, refused.stderr.includes('request.forbidden')]).toEqual([5, true]);
      const out = await own.run(['logout']);
      expect([out.status, out.stdout]).toEqual([0, expect.stringContaining('is revoked')]);
      const tokens = (await world.operator.call('GET', `/api/v1/people/${person.id}/tokens`)) as {
        items: { revokedAt: string | null; name: string }[];
      };
      expect(tokens.items.map(({ revokedAt }) => revokedAt !== null)).toEqual([true]);
      expect((await own.run(['whoami'])).status).toBe(4);
    } finally {
      own.close();
    }
  }, 60_000);

  it('pushes firmware, saves a plan, and follows it until every device is proven', async () => {
    const made = makeSensorPackage(2, world.sensorKey, IMAGE_BYTES);
    const firmware = file(made.fileName, made.file);
    const inspected = await cli.run(['artifact', 'inspect', firmware, '--server', 'http://127.0.0.1:9']);
    expect([inspected.status, inspected.stdout]).toEqual([0, expect.stringContaining('nordic-secure-zip')]);
    const broken = await cli.run([
      'artifact',
      'push',
      file('broken.zip', made.file.slice(0, 3000)),
      '--model',
      SENSOR_MODEL,
    ]);
    expect([broken.status, broken.stdout]).toEqual([3, '']);
    const sha = await push(2);
    expect((await cli.run(['artifact', 'ls'])).stdout).toContain(sha.slice(0, 12));

    const plan = campaignFile('bc-2.0.0', sha);
    const looked = await cli.run(['campaign', 'plan', '-f', plan]);
    expect([looked.status, looked.stderr]).toEqual([0, '']);
    expect(looked.stdout).toContain('2 devices to be updated');
    expect(looked.stdout).toContain('Rehearsal, ');
    expect(looked.stdout).toContain('The brake halts at 3 failures among the first');
    expect((await cli.run(['campaign', 'ls'])).stdout.trim().split('\n')).toHaveLength(1);
    const empty = await cli.run(['campaign', 'ls', '--json']);
    expect([empty.status, empty.list()]).toEqual([0, []]);

    const saved = await cli.run(['campaign', 'apply', '-f', plan]);
    expect([saved.status, saved.stdout]).toEqual([0, expect.stringContaining('bc-2.0.0: draft created.')]);
    const again = await cli.run(['campaign', 'apply', '-f', plan, '--json']);
    expect(again.json()).toMatchObject({ change: 'none', state: 'draft', revision: 1 });
    const yaml = (await cli.run(['campaign', 'show', 'bc-2.0.0', '--yaml'])).stdout;
    const exported = await cli.run(['campaign', 'apply', '-f', file('exported.yaml', yaml), '--json']);
    expect(exported.json()).toMatchObject({ change: 'none' });
    writeFileSync(plan, `${readFileSync(plan, 'utf8')}inFlight: {gateway: 2}\n`);
    const changed = await cli.run(['campaign', 'apply', '-f', plan]);
    expect(changed.stdout).toMatch(/draft changed\.\n {2}inFlight\.gateway +4 → 2\n/);

    const started = await cli.run(['campaign', 'start', 'bc-2.0.0']);
    expect([started.status, started.stdout]).toEqual([0, expect.stringContaining('Running: 2 devices.')]);
    // In a pipe and in a terminal at once.
    const [watched, drawn] = await Promise.all([
      cli.run(['campaign', 'watch', 'bc-2.0.0', '--exit-status']),
      cli.terminal(['campaign', 'watch', 'bc-2.0.0', '--exit-status']),
    ]);
    expect(drawn.status).toBe(0);
    expect(drawn.screen).toContain('Ctrl-C stops watching; the campaign goes on.');
    expect(drawn.screen.split('\u001b[J').length).toBeGreaterThan(2);
    expect(drawn.screen).toMatch(/\[█+\] 2 of 2 proven/);
    expect([watched.status, watched.stderr]).toEqual([0, '']);
    expect(watched.stdout).not.toMatch(CONTROL);
    expect(watched.stdout.trim().split('\n').at(-1)).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ completed .*proven=2 of=2 /,
    );
    const conflict = await cli.run(['campaign', 'apply', '-f', campaignFile('bc-2.0.0', sha)]);
    expect([conflict.status, conflict.stderr.includes('campaign.state')]).toEqual([7, true]);
    const devices = await cli.run(['campaign', 'devices', 'bc-2.0.0', '--json']);
    expect(devices.list().map((one) => one['state'])).toEqual(['proven', 'proven']);
  }, 180_000);

  it('tells every fault of a file at its place, its own and the server’s', async () => {
    const sha = await push(3);
    const bad = file(
      'bad.yaml',
      `apiVersion: drydock/v1\nkind: Campaign\nname: bad\nartifact: sha256:${sha}\nstages:\n  - {name: a, take: 5%, gate: {maxFailureShare: 120%}}\nbreak: {limit: 2%}\n`,
    );
    const first = await cli.run(['campaign', 'apply', '-f', bad], { cwd: cli.home });
    expect([first.status, first.stdout]).toEqual([3, '']);
    expect(first.stderr).toContain(`${bad}:7:1  break`);
    expect(first.stderr).toContain('Did you mean brake?');
    expect(first.stderr).toMatch(/Exit: 3\n$/);
    const filter = campaignFile('bad-filter', sha).replace(/$/, '');
    writeFileSync(
      filter,
      readFileSync(filter, 'utf8').replace('site==berlin', 'site=on=berlin').replace('take: rest', 'take: 5'),
    );
    const second = await cli.run(['campaign', 'apply', '-f', filter, '--json']);
    expect(second.status).toBe(3);
    const { error } = JSON.parse(second.stderr) as {
      error: { code: string; requestId: string; problems: { path: string; line: number; column: number }[] };
    };
    expect(error.code).toBe('campaign.policy');
    expect(error.requestId).toMatch(/./);
    expect(error.problems.map(({ path, line, column }) => [path, line, column])).toEqual(
      expect.arrayContaining([
        ['devices.where', 6, `  where: model==${SENSOR_MODEL};site`.length + 1],
        ['stages[1]', 9, 5],
      ]),
    );
  }, 60_000);

  it('applies the example of its own manual', async () => {
    expect(EXAMPLE).toBeDefined();
    const sha = await push(4);
    const text = EXAMPLE!
      .replace(/^artifact: .*$/m, `artifact: sha256:${sha.slice(0, 12)}`)
      .replace(/^( +where: ).*$/m, `$1model==${SENSOR_MODEL}`);
    const saved = await cli.run(['campaign', 'apply', '-f', '-', '--json'], { input: text });
    expect(saved.stderr).toBe('');
    expect(saved.json()).toMatchObject({ change: 'created', state: 'draft' });
  }, 60_000);

  it('pauses with a number that holds, resumes, aborts by name', async () => {
    const sha = await push(5);
    const slow = 'approvals: {needed: 1}\npace: {startPerMinute: 1, upTo: 2}\n';
    await cli.run(['campaign', 'apply', '-f', campaignFile('stopped', sha, slow)]);
    const waiting = await cli.run(['campaign', 'start', 'stopped', '--json']);
    expect([waiting.status, waiting.json()['state']]).toEqual([0, 'awaiting-approval']);
    const missing = await cli.run(['campaign', 'start', 'stopped']);
    expect([missing.status, missing.stderr]).toEqual([5, expect.stringContaining('Code:  approval.missing')]);
    expect((await cli.run(['approvals'])).stdout).toContain('drydock campaign approve stopped');
    const unasked = await cli.run(['campaign', 'approve', 'stopped']);
    expect([unasked.status, unasked.stderr]).toEqual([2, expect.stringContaining('--yes')]);
    const own = await cli.run(['campaign', 'approve', 'stopped', '--yes']);
    expect([own.status, own.stdout, own.stderr]).toEqual([7, '', expect.stringContaining('own plan')]);
    const second = (await world.operator.call('POST', '/api/v1/people', { name: 'second', roles: ['approver'] })) as {
      id: string;
    };
    const { token } = (await world.operator.call('POST', `/api/v1/people/${second.id}/tokens`, { name: 'x' })) as {
      token: string;
    };
    const env = { DRYDOCK_SERVER: world.server.baseUrl, DRYDOCK_TOKEN: token };
    const approved = await cli.run(['campaign', 'approve', 'stopped', '--yes'], { env });
    expect(approved.stdout).toContain('Approved; it is running.');

    const paused = await cli.run(['campaign', 'pause', 'stopped', '--json']);
    const answer = paused.json() as { mayStillStart: number; noneAfter: string; state: string };
    expect(answer).toMatchObject({ campaign: 'stopped', state: 'paused', mayStillStart: expect.any(Number) });
    expect(Date.parse(answer.noneAfter)).toBeGreaterThan(0);
    const on = (words: string) => cli.run(['campaign', ...words.split(' ')]);
    expect((await on('pace stopped --up-to 1 --json')).json()).toMatchObject({ pace: { maxPerMinute: 1 } });
    const faster = await on('pace stopped --up-to 3');
    expect([faster.status, faster.stderr]).toEqual([7, expect.stringContaining('pace.maxPerMinute: Approved: 2')]);
    expect((await on('plans stopped')).stdout).toMatch(/^2 .* now\n +policy\.pace\.maxPerMinute: 2 → 1\n/);
    expect((await on('compare stopped --a site==* --b site!=*')).stdout).toContain('nothing can be compared.');
    expect((await on('ls --where name==stopped;state==paused --json')).list()).toMatchObject([{ name: 'stopped' }]);
    expect((await cli.run(['campaign', 'pause', 'stopped'])).status).toBe(0);
    const none = await cli.run(['campaign', 'pause', 'stopped', '--wait']);
    expect([none.status, none.stdout]).toEqual([0, expect.stringContaining('Nothing can start any more.')]);
    const [waits, impatient, interrupted, reasonless] = await Promise.all([
      cli.run(['campaign', 'watch', 'stopped', '--exit-status']),
      cli.run(['campaign', 'watch', 'stopped', '--timeout', '2s']),
      cli.run(['campaign', 'watch', 'stopped'], { interruptAt: /paused/ }),
      cli.run(['campaign', 'resume', 'stopped']),
    ]);
    expect(waits.status).toBe(13);
    expect([impatient.status, impatient.stderr]).toEqual([14, expect.stringContaining('The campaign goes on.')]);
    expect([interrupted.status, interrupted.stderr]).toEqual([130, 'Stopped watching; the campaign goes on.\n']);
    expect(reasonless.status).toBe(2);
    expect((await cli.run(['campaign', 'resume', 'stopped', '--reason', 'seen'])).status).toBe(0);
    const unnamed = await cli.run(['campaign', 'abort', 'stopped']);
    expect([unnamed.status, unnamed.stderr]).toEqual([
      2,
      expect.stringContaining('drydock campaign abort stopped --confirm stopped'),
    ]);
    expect(
      (await cli.run(['campaign', 'abort', 'stopped', '--confirm', 'stopped', '--reason', 'wrong file'])).status,
    ).toBe(0);
    expect((await cli.run(['campaign', 'watch', 'stopped', '--exit-status'])).status).toBe(12);
    const gone = await cli.run(['campaign', 'pause', 'stoped']);
    expect([gone.status, gone.stderr]).toEqual([6, expect.stringContaining('did you mean stopped?')]);

    const audit = await cli.run(['audit', '--campaign', 'stopped', '--json']);
    expect(audit.list().map((one) => one['action'])).toEqual(
      expect.arrayContaining([
        'campaign.created',
        'campaign.approved',
        'campaign.paused',
        'campaign.resumed',
        'campaign.aborting',
      ]),
    );
  }, 180_000);

  it('answers why, who is exposed, and where a device is', async () => {
    const sha = await push(6);
    await cli.run(['campaign', 'apply', '-f', campaignFile('asked', sha, 'time: {start: 2099-01-01T00:00:00Z}\n')]);
    await cli.run(['campaign', 'start', 'asked']);
    const why = await cli.run(['campaign', 'why', 'asked', '--json']);
    expect(why.list()).toEqual([
      expect.objectContaining({ reason: expect.stringMatching(/^[a-z]+\.[a-z-]+$/), devices: 2 }),
    ]);
    const [device] = await world.operator.devices();
    const one = await cli.run(['device', 'why', device!.identity.value]);
    expect([one.status, one.stdout]).toEqual([0, expect.stringContaining('asked: ')]);
    const shown = await cli.run(['device', 'show', device!.identity.value, '--json']);
    expect(shown.json()).toMatchObject({ id: device!.id });
    const listed = await cli.run([
      'device',
      'ls',
      '--where',
      `model==${SENSOR_MODEL}`,
      '--columns',
      'id,runs',
      '--limit',
      '1',
    ]);
    expect(listed.stdout.split('\n')[0]).toMatch(/^ID +RUNS$/);
    expect(listed.stdout.trim().split('\n')).toHaveLength(2);
    expect(listed.stderr).toContain('--limit all');
    const nowhere = await cli.run(['device', 'ls', '--where', 'model==nothing']);
    expect([nowhere.status, nowhere.stdout.trim().split('\n').length]).toEqual([0, 1]);
    expect((await cli.run(['device', 'ls', '--where', 'modle==x'])).status).toBe(3);

    const advisory = file(
      'cve.yaml',
      `cve: CVE-2026-21417\ntitle: Pairing overflow\nseverity: high\nmodels:\n  - {model: ${SENSOR_MODEL}, affected: <99.0.0, fixedBy: 'sha256:${sha.slice(0, 16)}'}\n`,
    );
    expect((await cli.run(['advisory', 'push', '-f', advisory])).stdout).toContain('created');
    expect((await cli.run(['advisory', 'push', '-f', advisory])).stdout).toContain('no change');
    const exposed = await cli.run(['exposure', 'cve-2026-21417']);
    expect(exposed.stdout).toMatch(/Exposed: \d of 2 \(\d of 2\)\./);
    const all = await cli.run(['exposure', '--json']);
    expect(all.list()).toHaveLength(1);
    const gateways = await cli.run(['gateway', 'ls', '--json']);
    expect(gateways.list()).toEqual([expect.objectContaining({ online: true, devices: 2 })]);
    const enrol = await cli.run([
      'gateway',
      'enrol',
      '--site',
      'oslo',
      '--new-site',
      '--zone',
      'Europe/Oslo',
      '--json',
    ]);
    expect(enrol.json()).toMatchObject({ site: 'oslo', token: expect.any(String) });
  }, 120_000);

  it('says what is known when the server is silent, and does nothing twice', async () => {
    const closed = await cli.run(['campaign', 'ls', '--timeout', '1s'], {
      env: { DRYDOCK_SERVER: 'http://127.0.0.1:9', DRYDOCK_TOKEN: 'dd_x' },
    });
    expect([closed.status, closed.stderr]).toEqual([8, expect.stringContaining('Nothing has changed.')]);
    const relay = await openSwallower(world.server.baseUrl);
    try {
      const env = { DRYDOCK_SERVER: relay.url, DRYDOCK_TOKEN: world.server.adminToken };
      const enrol = ['gateway', 'quarantine', 'berlin', '--reason', 'a look', '--timeout', '1s', '--json'];
      relay.swallow = true;
      const unknown = await cli.run(enrol, { env });
      expect([unknown.status, JSON.parse(unknown.stderr)]).toEqual([
        9,
        { schema: 'drydock.cli/v1', error: expect.objectContaining({ code: 'server.silent', exit: 9 }) },
      ]);
      relay.swallow = false;
      const done = await until('the first to be over', 30_000, async () => {
        const told = await cli.run(enrol, { env });
        return told.status === 0 ? told : undefined;
      });
      expect(done.json()).toMatchObject({ state: 'quarantined' });
      const audit = await cli.run(['audit', '--action', 'gateway.quarantined', '--json']);
      expect(audit.list()).toHaveLength(1);
      await cli.run(['gateway', 'release', 'berlin', '--reason', 'seen']);
    } finally {
      relay.close();
    }
  }, 120_000);

  it('goes through the proxy that the environment names', async () => {
    const proxy = await openConnectProxy();
    try {
      const told = await cli.run(['whoami', '--json'], { env: { HTTP_PROXY: proxy.url, NO_PROXY: '' } });
      expect([told.status, told.stderr]).toEqual([0, '']);
      expect(proxy.asked).toEqual(expect.arrayContaining([new URL(world.server.baseUrl).host]));
    } finally {
      proxy.close();
    }
  }, 60_000);
});
