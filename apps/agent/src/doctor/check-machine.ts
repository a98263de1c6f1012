/** Node, disk, clock, the folder of the agent and its journal. Nothing is changed. */
import { constants } from 'node:fs';
import { access, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { scanJournal } from '../journal/record-framing.js';
import { AgentState } from '../uplink/agent-state.js';
import { fail, look, ok, sudo, warn, type Finding, type Machine } from './finding.js';

/** First version with everything that the agent uses; `engines` of package.json says the same. */
const NODE = [20, 19] as const;
const MIB = 1024 * 1024;
/** Below this the next artifact may not fit. */
const LOW_BYTES = 64 * MIB;
/** Below this the journal cannot be written for long. */
const NO_BYTES = 4 * MIB;
/** No gateway of ours is older: an earlier date means a clock that was never set. */
const EARLIEST_MS = Date.UTC(2026, 0, 1);

export function checkNode(machine: Machine): Finding {
  const [major = 0, minor = 0] = machine.nodeVersion.replace(/^v/, '').split('.').map(Number);
  const good = major > NODE[0] || (major === NODE[0] && minor >= NODE[1]);
  return good
    ? ok('node', machine.nodeVersion)
    : fail('node', `${machine.nodeVersion} is too old`, `install Node.js ${NODE.join('.')} or newer`);
}

export async function checkDisk(stateDir: string, wantedBytes: number): Promise<Finding> {
  const place = await nearestFolder(stateDir);
  const { bavail, bsize, files, ffree } = await statfs(place);
  const free = bavail * bsize;
  const found = `${Math.floor(free / MIB)} MiB free at ${place}`;
  const mend = `df -h ${place}; du -xh --max-depth=2 ${place} | sort -h | tail`;
  if (free < NO_BYTES) return fail('disk', `${found}: the journal cannot be written, so nothing starts`, mend);
  if (files > 0 && ffree < 100) return fail('disk', `${found}, but only ${ffree} more files can be made`, mend);
  if (free < LOW_BYTES) return warn('disk', `${found}: a larger artifact will not fit`, mend);
  if (free < wantedBytes) {
    return warn(
      'disk',
      `${found}; limits of the site file allow ${Math.ceil(wantedBytes / MIB)} MiB`,
      'lower limits.cacheMiB in the site file, or make room',
    );
  }
  return ok('disk', found);
}

/**
 * @param serverMs the server's clock, where it was heard just now.
 * @param boundMs how far that may be off.
 */
export function checkClock(machine: Machine, serverMs: number | undefined, boundMs: number): Finding {
  const setIt = `${sudo(machine)}timedatectl set-ntp true`;
  const now = new Date(machine.nowMs).toISOString();
  if (machine.nowMs < EARLIEST_MS) {
    return fail('clock', `this machine says ${now}: certificates of the server count as not valid yet`, setIt);
  }
  if (serverMs === undefined) return ok('clock', `this machine says ${now}; the server's was not heard`);
  const offset = serverMs - machine.nowMs;
  const found = `${now}; the server's is ${offset >= 0 ? '+' : ''}${Math.round(offset / 1000)} s from it`;
  if (Math.abs(offset) <= boundMs + 60_000) return ok('clock', found);
  return warn('clock', `${found}: updates follow the server's clock, but times of the log mislead`, setIt);
}

/** The folder, who may read it, and what enrolment left in it. */
export async function checkState(
  stateDir: string,
  machine: Machine,
): Promise<{ findings: Finding[]; state: AgentState | undefined }> {
  const dir = resolve(stateDir);
  const { found, trouble } = await look(dir);
  if (!found) {
    const mend = `${sudo(machine)}install -d -m 700 -o ${machine.user} ${dir}`;
    const said = trouble.code === 'ENOENT' ? `${dir} does not exist` : `${dir}: ${trouble.message}`;
    return { findings: [fail('state folder', said, mend)], state: undefined };
  }
  const findings: Finding[] = [];
  const usable = await access(dir, constants.R_OK | constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!usable || !found.isDirectory()) {
    const mend = `${sudo(machine)}chown -R ${machine.user} ${dir}`;
    return { findings: [fail('state folder', `${machine.user} may not write in ${dir}`, mend)], state: undefined };
  }
  if ((found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8);
    findings.push(warn('state folder', `others may look into ${dir} (mode ${mode})`, `chmod 700 ${dir}`));
  } else findings.push(ok('state folder', dir));
  const { finding, state } = await readEnrolment(dir);
  findings.push(finding, await checkJournal(dir));
  return { findings, state };
}

async function readEnrolment(dir: string): Promise<{ finding: Finding; state: AgentState | undefined }> {
  const path = join(dir, 'state.json');
  const enrolAgain = `mv ${path} ${path}.broken, then enrol again with a new token (POST /api/v1/enrolment-tokens)`;
  let text = '';
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') return { finding: fail('enrolment', message, `chmod 600 ${path}`), state: undefined };
  }
  let state: AgentState | undefined;
  if (text !== '') {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      value = undefined;
    }
    state = AgentState.safeParse(value).data;
    if (!state) return { finding: fail('enrolment', `${path} cannot be read`, enrolAgain), state };
  }
  if (!state?.enrolment) {
    const mend = 'DRYDOCK_ENROL_TOKEN=TOKEN drydock-agent run --state DIR --server URL';
    return { finding: fail('enrolment', 'this gateway is not enrolled', mend), state };
  }
  const { gateway, site, serverUrl } = state.enrolment;
  return { finding: ok('enrolment', `${gateway.name} at ${site.name}, under ${serverUrl}`), state };
}

async function checkJournal(dir: string): Promise<Finding> {
  const bytes = await readFile(join(dir, 'journal')).catch(() => undefined);
  if (!bytes) return ok('journal', 'none yet');
  const scan = scanJournal(bytes);
  const found = `${scan.records.length} records, ${bytes.length} bytes`;
  if (scan.state !== 'damaged') return ok('journal', `${found}${scan.tornBytes > 0 ? ', an unfinished end' : ''}`);
  return warn(
    'journal',
    `${found}: ${scan.note ?? 'damaged'}`,
    'nothing: the next start keeps what can be read and tells the server what it lost; if it comes again, replace the disk',
  );
}

async function nearestFolder(path: string): Promise<string> {
  for (let at = resolve(path); ; at = dirname(at)) {
    if (await stat(at).catch(() => undefined)) return at;
    if (dirname(at) === at) return at;
  }
}
