/** All checks, in the order in which a person would ask. */
import { readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { DrydockError } from '@drydock/dfu-core';
import { PROTOCOLS } from '../protocols.js';
import { EMPTY_SITE, readSiteFile, type Site } from '../site/site-file.js';
import type { AgentStatus } from '../status/agent-status.js';
import { checkAdapter, checkPorts } from './check-links.js';
import { checkClock, checkDisk, checkNode, checkState } from './check-machine.js';
import { checkUplink } from './check-uplink.js';
import { fail, ok, warn, type Finding, type Machine } from './finding.js';

export interface DoctorOptions {
  readonly state: string;
  readonly site?: string;
  readonly server?: string;
  readonly allowPlaintext?: boolean;
}

const MIB = 1024 * 1024;

export function thisMachine(): Machine {
  return { sys: '/sys', proc: '/proc', user: userName(), nowMs: Date.now(), nodeVersion: process.version };
}

/**
 * Looks at everything that an update from here needs. Changes nothing, and disturbs no running agent.
 * @param daemon the status of the agent that runs on this folder, or what it left.
 */
export async function examine(options: DoctorOptions, machine: Machine, daemon: AgentStatus): Promise<Finding[]> {
  const findings = [checkNode(machine)];
  const { finding, site } = await checkSite(options.site);
  findings.push(finding);
  const { findings: own, state } = await checkState(options.state, machine);
  findings.push(...own, checkDaemon(daemon));
  findings.push(await checkDisk(options.state, (site.limits.cacheMiB + 2 * site.limits.journalMiB) * MIB));
  findings.push(
    ...(await checkPorts(
      site.devices.map(({ link }) => link),
      machine,
    )),
  );
  if (site.bluetooth) findings.push(...(await adapterOf(site.bluetooth.adapter, machine, daemon)));
  const serverUrl = options.server ?? state?.enrolment?.serverUrl;
  if (serverUrl === undefined) {
    findings.push(fail('server', 'no address is known', 'say --server URL'), checkClock(machine, undefined, 0));
    return findings;
  }
  const uplink = await checkUplink(serverUrl, state?.enrolment, options.allowPlaintext ?? false);
  return [...findings, ...uplink.findings, checkClock(machine, uplink.serverMs, uplink.boundMs)];
}

async function checkSite(path: string | undefined): Promise<{ finding: Finding; site: Site }> {
  if (path === undefined) {
    const finding = warn('site file', 'none is named, so no device is known', 'say --site FILE');
    return { finding, site: EMPTY_SITE };
  }
  try {
    const site = await readSiteFile(path, [...PROTOCOLS.keys()]);
    const finding =
      site.devices.length === 0 && site.discover.length === 0
        ? warn('site file', `${path} names no device`, `add devices or discover to ${path}`)
        : ok('site file', `${path}: devices: ${site.devices.length}, rules for discovery: ${site.discover.length}`);
    if (site.loaderCodec === undefined) return { finding, site };
    return { finding: await besideLoaderCodec(path, site.loaderCodec, finding), site };
  } catch (error) {
    if (!(error instanceof DrydockError)) throw error;
    return { finding: fail('site file', error.message, `edit ${path}`), site: EMPTY_SITE };
  }
}

async function besideLoaderCodec(path: string, codec: string, finding: Finding): Promise<Finding> {
  const { loadLoaderCodec } = await import('../site/loader-codec.js');
  const { dirname, resolve } = await import('node:path');
  return loadLoaderCodec(codec, dirname(resolve(path))).then(
    () => finding,
    (error: Error) => fail('site file', error.message, `correct loaderCodec in ${path}`),
  );
}

function checkDaemon(daemon: AgentStatus): Finding {
  const start = 'systemctl start drydock-agent; then: drydock-agent status, drydock-agent logs';
  if (!daemon.running) {
    const last = daemon.happened.at(-1);
    const said = last && last.msg !== 'stopped' ? `; its last words at ${last.time}: ${last.msg}` : '';
    return warn('agent', `does not run${said}`, start);
  }
  const { state, detail } = daemon.connection;
  if (daemon.journal.trouble !== null) {
    return fail('agent', `cannot write its journal (${daemon.journal.trouble}), so it starts nothing`, 'see disk');
  }
  if (state === 'online') return ok('agent', `${daemon.version} runs as process ${daemon.pid} and is connected`);
  return warn('agent', `runs, but is ${state}${detail === null ? '' : `: ${detail}`}`, 'see server and broker');
}

/** A running agent has the adapter to itself: what it says of it counts. */
async function adapterOf(adapter: string, machine: Machine, daemon: AgentStatus): Promise<Finding[]> {
  const told = daemon.links.find(({ link }) => link === `adapter:${adapter}`);
  if (daemon.running && told?.state === 'up') return [ok(`adapter ${adapter}`, 'is used by the agent')];
  const findings = await checkAdapter(adapter, machine);
  const note = told?.note ?? null;
  if (!daemon.running || note === null || findings.some(({ state }) => state === 'fail')) return findings;
  const mend = 'drydock-agent logs --level warn; if it hangs, unplug it and plug it in again';
  return [...findings, fail(`adapter ${adapter}`, `the agent cannot use it: ${note}`, mend)];
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'nobody');
  }
}

/** Whether systemd knows the unit; for people who ask why it does not start by itself. */
export async function checkUnit(machine: Machine): Promise<Finding | undefined> {
  const booted = await stat('/run/systemd/system').catch(() => undefined);
  if (!booted) return undefined;
  const unit = '/etc/systemd/system/drydock-agent.service';
  const text = await readFile(unit, 'utf8').catch(() => undefined);
  return text === undefined
    ? warn(
        'unit',
        'systemd has no unit for it',
        `install the unit of the bundle (${machine.user === 'root' ? '' : 'as root '}see docs/running-the-agent.md)`,
      )
    : ok('unit', unit);
}
