/** Ports and the Bluetooth adapter: are they there, may we use them, does something else hold them? */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readFile, readdir, readlink, realpath, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAdapterName, type AdapterName } from '../links/ble/adapter-name.js';
import { parseLinkName } from '../links/parse-link.js';
import { fail, look, ok, sudo, warn, type Finding, type Machine } from './finding.js';

const CONNECT_MS = 5000;
/** Bits of capability masks, capability.h of Linux. */
const CAP_NET_ADMIN = 12n;
const CAP_NET_RAW = 13n;
/** Programs that are known to open serial ports which are not theirs. */
const MEDDLERS = ['ModemManager', 'brltty'];

export async function checkPorts(links: readonly string[], machine: Machine): Promise<Finding[]> {
  const paths = new Set<string>();
  for (const name of links) {
    const link = parseLinkName(name);
    if (link.kind === 'serial') paths.add(link.path);
  }
  const findings: Finding[] = [];
  for (const path of paths) findings.push(await checkPort(path, machine, `port ${path}`));
  if (paths.size > 0) findings.push(...(await checkMeddlers(machine)), await checkSerialLibrary());
  return findings;
}

async function checkPort(path: string, machine: Machine, check: string): Promise<Finding> {
  const { found, trouble } = await look(path);
  if (!found) {
    if (trouble.code !== 'ENOENT') return fail(check, trouble.message, `ls -l ${path}`);
    return fail(check, 'is not there', 'plug it in; ls -l /dev/serial/by-id/ shows which ports there are');
  }
  if (!found.isCharacterDevice()) return fail(check, 'is no port', `ls -l ${path}`);
  const usable = await access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!usable) {
    const group = await groupName(found.gid);
    return fail(
      check,
      `${machine.user} may not use it (group ${group})`,
      `${sudo(machine)}usermod -aG ${group} ${machine.user}, then start the agent anew`,
    );
  }
  const holders = await holdersOf(path, machine);
  const strangers = holders.filter(({ name }) => !/node|drydock/i.test(name));
  if (strangers.length > 0) {
    const [{ pid, name }] = strangers as [{ pid: string; name: string }];
    return fail(check, `${name} (process ${pid}) has it open`, `${sudo(machine)}kill ${pid}`);
  }
  return ok(check, holders.length > 0 ? `in use by process ${holders.map(({ pid }) => pid).join(', ')}` : 'free');
}

async function groupName(gid: number): Promise<string> {
  const groups = await readFile('/etc/group', 'utf8').catch(() => '');
  return (
    groups
      .split('\n')
      .map((line) => line.split(':'))
      .find(([, , id]) => Number(id) === gid)?.[0] ?? String(gid)
  );
}

/** Processes that have the port open, as far as we may see. */
async function holdersOf(path: string, machine: Machine): Promise<{ pid: string; name: string }[]> {
  const real = await realpath(path).catch(() => path);
  const found: { pid: string; name: string }[] = [];
  for (const pid of await processes(machine)) {
    const folder = join(machine.proc, pid, 'fd');
    for (const fd of await readdir(folder).catch(() => [])) {
      if ((await readlink(join(folder, fd)).catch(() => '')) !== real) continue;
      found.push({ pid, name: await nameOf(pid, machine) });
      break;
    }
  }
  return found;
}

async function checkMeddlers(machine: Machine): Promise<Finding[]> {
  const names = new Set(await Promise.all((await processes(machine)).map((pid) => nameOf(pid, machine))));
  return MEDDLERS.filter((name) => names.has(name)).map((name) =>
    warn(
      name,
      'runs, and opens serial ports that appear: updates over them can break off',
      `${sudo(machine)}systemctl disable --now ${name}`,
    ),
  );
}

async function processes(machine: Machine): Promise<string[]> {
  return (await readdir(machine.proc).catch(() => [])).filter((name) => /^\d+$/.test(name)).slice(0, 10_000);
}

async function nameOf(pid: string, machine: Machine): Promise<string> {
  return (await readFile(join(machine.proc, pid, 'comm'), 'utf8').catch(() => '')).trim();
}

async function checkSerialLibrary(): Promise<Finding> {
  try {
    await import('serialport');
    return ok('serial library', 'loads');
  } catch (error) {
    return fail(
      'serial library',
      `its native part does not load: ${String((error as Error).message).split('\n')[0]}`,
      'take the bundle for this machine (amd64, arm64), or npm install in the folder of the agent',
    );
  }
}

export async function checkAdapter(text: string, machine: Machine): Promise<Finding[]> {
  const check = `adapter ${text}`;
  let name: AdapterName;
  try {
    name = parseAdapterName(text);
  } catch (error) {
    return [fail(check, (error as Error).message, 'correct bluetooth.adapter in the site file')];
  }
  switch (name.kind) {
    case 'kernel':
      return checkKernelAdapter(name.index, machine, check);
    case 'h4-serial':
      return [await checkPort(name.path, machine, check)];
    case 'h4-unix':
    case 'h4-tcp': {
      const target = name.kind === 'h4-unix' ? { path: name.path } : { host: name.host, port: name.port };
      const error = await connects(target);
      return [
        error === undefined
          ? ok(check, 'answers')
          : fail(
              check,
              `does not answer: ${error}`,
              'start what offers the controller there, or correct the site file',
            ),
      ];
    }
  }
}

async function checkKernelAdapter(index: number, machine: Machine, check: string): Promise<Finding[]> {
  const folder = join(machine.sys, 'class', 'bluetooth', `hci${index}`);
  if (!(await stat(folder).catch(() => undefined))) {
    const others = (await readdir(join(machine.sys, 'class', 'bluetooth')).catch(() => []))
      .filter((name) => /^hci\d+$/.test(name))
      .join(', ');
    const mend =
      others === '' ? 'plug it in; dmesg | grep -i bluetooth says what the kernel saw' : 'name it in the site file';
    return [fail(check, `is not there; the kernel knows ${others === '' ? 'no adapter' : others}`, mend)];
  }
  const findings: Finding[] = [];
  for (const entry of await readdir(folder).catch(() => [])) {
    if (!entry.startsWith('rfkill')) continue;
    const read = async (leaf: string): Promise<boolean> =>
      (await readFile(join(folder, entry, leaf), 'utf8').catch(() => '0')).trim() === '1';
    if (await read('hard')) findings.push(fail(check, 'a switch on the machine turns it off', 'turn the switch on'));
    else if (await read('soft')) findings.push(fail(check, 'is blocked', `${sudo(machine)}rfkill unblock bluetooth`));
  }
  if (!(await mayUseRawSockets(machine))) {
    findings.push(
      fail(
        check,
        `${machine.user} has no right to its raw socket (CAP_NET_RAW, CAP_NET_ADMIN)`,
        `run it by the systemd unit, which gives them, or: ${sudo(machine)}setcap cap_net_raw,cap_net_admin+eip $(readlink -f $(which node))`,
      ),
    );
  }
  const native = nativeSocketTrouble();
  if (native !== undefined) {
    findings.push(
      fail(
        check,
        `the native part for the kernel's socket is missing: ${native}`,
        'npm rebuild --ignore-scripts=false @abandonware/bluetooth-hci-socket (needs g++, make, python3), or use a controller over H4',
      ),
    );
  }
  return findings.length > 0 ? findings : [ok(check, 'is there, and may be used')];
}

function nativeSocketTrouble(): string | undefined {
  try {
    createRequire(import.meta.url)('@abandonware/bluetooth-hci-socket');
    return undefined;
  } catch (error) {
    return String((error as Error).message).split('\n')[0];
  }
}

async function mayUseRawSockets(machine: Machine): Promise<boolean> {
  const status = await readFile(join(machine.proc, 'self', 'status'), 'utf8').catch(() => '');
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (mask !== undefined) {
    const bits = BigInt(`0x${mask}`);
    if ([CAP_NET_RAW, CAP_NET_ADMIN].every((bit) => ((bits >> bit) & 1n) === 1n)) return true;
  }
  // A file capability of node shows only in the processes that it starts.
  const { stdout } = await promisify(execFile)('getcap', [process.execPath], { timeout: 5000 }).catch(() => ({
    stdout: '',
  }));
  return /cap_net_raw/.test(stdout) && /cap_net_admin/.test(stdout);
}

/** @returns what is wrong, undefined when somebody listens there. */
export function connects(target: { path: string } | { host: string; port: number }): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(target);
    const end = (said: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(said);
    };
    const timer = setTimeout(() => end(`nothing within ${CONNECT_MS} ms`), CONNECT_MS);
    socket.once('connect', () => end(undefined));
    socket.once('error', (error) => end(error.message || String(error)));
  });
}
