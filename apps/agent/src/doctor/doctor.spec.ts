import { afterEach, describe, expect, it } from '@jest/globals';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readStatus } from '../commands/status.js';
import { describeFindings } from '../commands/doctor.js';
import { spawnAgent } from '../testing.js';
import { ScriptedServer } from '../testing/scripted-server.js';
import { checkAdapter, checkPorts } from './check-links.js';
import { checkClock, checkDisk, checkNode } from './check-machine.js';
import { examine, thisMachine } from './doctor.js';
import type { Finding, Machine } from './finding.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'drydock-doctor-'));
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
const named = (findings: readonly Finding[], check: string): Finding | undefined =>
  findings.find((finding) => finding.check === check);

/** A machine of files, so that every trouble can be made. */
async function machineOf(files: Readonly<Record<string, string>>): Promise<Machine> {
  const root = await folder();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, path, '..'), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return { ...thisMachine(), sys: join(root, 'sys'), proc: join(root, 'proc'), user: 'gateway' };
}

describe('doctor', () => {
  it('examines a gateway before it is enrolled, while it runs, and when its server is away', async () => {
    const server = await ScriptedServer.start();
    const { url } = server;
    let stopped = false;
    cleanups.push(async () => (stopped ? undefined : server.stop()));
    const stateDir = await folder();
    const look = async (): Promise<Finding[]> =>
      examine({ state: stateDir, server: url }, thisMachine(), await readStatus(stateDir));
    expect(named(await look(), 'enrolment')).toMatchObject({ state: 'fail', mend: expect.stringContaining('TOKEN') });

    const agent = await spawnAgent({ stateDir, serverUrl: server.url, token: server.enrolToken });
    cleanups.push(() => (agent.process.kill('SIGKILL'), agent.exited));
    await server.until(() => server.presences.some(({ online }) => online));
    const well = await look();
    expect(well.filter(({ state }) => state === 'fail')).toEqual([]);
    expect(named(well, 'server')?.found).toContain('the one of the enrolment');
    expect(named(well, 'broker')?.state).toBe('ok');
    expect(named(well, 'agent')?.found).toContain(`process ${agent.process.pid}`);
    expect(server.logins).toBe(1); // the doctor never logs in

    const other = await ScriptedServer.start();
    cleanups.push(() => other.stop());
    const moved = await examine({ state: stateDir, server: other.url }, thisMachine(), await readStatus(stateDir));
    expect(named(moved, 'server')).toMatchObject({ state: 'fail', found: expect.stringContaining('another server') });

    agent.process.kill('SIGKILL');
    await agent.exited;
    stopped = true;
    await server.stop();
    const away = await look();
    expect(named(away, 'server')).toMatchObject({ state: 'fail', mend: expect.stringContaining('curl') });
    expect(named(away, 'agent')).toMatchObject({ state: 'warn', found: expect.stringContaining('does not run') });
    expect(describeFindings(away).join('\n')).toContain('mend: curl');
  }, 60_000);

  it('names the line of a site file, a folder that others may read, a damaged journal, a state that is none', async () => {
    const stateDir = await folder();
    await chmod(stateDir, 0o755);
    await writeFile(join(stateDir, 'state.json'), '{');
    await writeFile(join(stateDir, 'journal'), Buffer.alloc(64, 1));
    await writeFile(join(stateDir, 'site.yaml'), 'devices:\n  - { model: pump }\n');
    const findings = await examine(
      { state: stateDir, site: join(stateDir, 'site.yaml') },
      thisMachine(),
      await readStatus(stateDir),
    );
    expect(named(findings, 'site file')).toMatchObject({ state: 'fail', found: expect.stringContaining(':2') });
    expect(named(findings, 'state folder')).toMatchObject({ state: 'warn', mend: `chmod 700 ${stateDir}` });
    expect(named(findings, 'enrolment')?.state).toBe('fail');
    expect(named(findings, 'journal')?.state).toBe('warn');
    expect(named(findings, 'server')?.state).toBe('fail');
  });

  it('tells ports that are missing, no ports, held by others', async () => {
    const dir = await folder();
    await writeFile(join(dir, 'file'), '');
    const machine = await machineOf({ 'proc/77/comm': 'ModemManager\n', 'proc/78/comm': 'minicom\n' });
    await mkdir(join(machine.proc, '78', 'fd'), { recursive: true });
    await symlink('/dev/null', join(machine.proc, '78', 'fd', '3'));
    const findings = await checkPorts(
      [`serial:${dir}/gone?baud=9600`, `serial:${dir}/file`, 'serial:/dev/null', 'udp:127.0.0.1:1337'],
      machine,
    );
    expect(named(findings, `port ${dir}/gone`)).toMatchObject({ state: 'fail', found: 'is not there' });
    expect(named(findings, `port ${dir}/file`)).toMatchObject({ state: 'fail', found: 'is no port' });
    expect(named(findings, 'port /dev/null')).toMatchObject({ state: 'fail', mend: 'sudo kill 78' });
    expect(named(findings, 'ModemManager')).toMatchObject({
      state: 'warn',
      mend: expect.stringContaining('systemctl'),
    });
    expect(named(findings, 'serial library')?.state).toBe('ok');
  });

  it('tells adapters that are missing, blocked, not ours to use, or silent', async () => {
    const machine = await machineOf({
      'sys/class/bluetooth/hci1/rfkill3/soft': '1\n',
      'sys/class/bluetooth/hci1/rfkill3/hard': '0\n',
      'sys/class/bluetooth/hci2/rfkill4/hard': '1\n',
      'proc/self/status': 'CapEff:\t0000000000000000\n',
    });
    expect(await checkAdapter('hci0', machine)).toEqual([
      expect.objectContaining({ state: 'fail', found: expect.stringContaining('hci1, hci2') }),
    ]);
    const blocked = (await checkAdapter('hci1', machine)).map(({ found, mend }) => `${found} ${mend}`).join('\n');
    expect(blocked).toContain('sudo rfkill unblock bluetooth');
    expect(blocked).toContain('CAP_NET_RAW');
    expect((await checkAdapter('hci2', machine))[0]?.found).toContain('switch');
    expect((await checkAdapter('hci', machine))[0]?.state).toBe('fail');
    const dir = await folder();
    const path = join(dir, 'h4');
    expect((await checkAdapter(`h4:unix:${path}`, machine))[0]).toMatchObject({ state: 'fail' });
    const listener = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => listener.listen(path, resolve));
    cleanups.push(() => new Promise((resolve) => listener.close(resolve)));
    expect((await checkAdapter(`h4:unix:${path}`, machine))[0]).toMatchObject({ state: 'ok' });
  });

  it('judges Node, disk and clock by their numbers', async () => {
    const machine = thisMachine();
    expect(checkNode({ ...machine, nodeVersion: 'v20.18.3' }).state).toBe('fail');
    expect(checkNode({ ...machine, nodeVersion: 'v20.19.0' }).state).toBe('ok');
    expect(checkNode({ ...machine, nodeVersion: 'v24.1.0' }).state).toBe('ok');
    expect((await checkDisk(join(await folder(), 'not', 'there'), Number.MAX_SAFE_INTEGER)).state).not.toBe('ok');
    expect(checkClock({ ...machine, nowMs: 0 }, undefined, 0)).toMatchObject({ state: 'fail' });
    const nowMs = Date.UTC(2026, 5, 1);
    expect(checkClock({ ...machine, nowMs }, nowMs + 30_000, 1000).state).toBe('ok');
    expect(checkClock({ ...machine, nowMs }, nowMs - 3_600_000, 1000)).toMatchObject({
      state: 'warn',
      mend: expect.stringContaining('timedatectl'),
    });
  });
});
