/** Postgres refuses to run as root; as root it runs as another user, in folders that this user can reach. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

function lookUp(name: string): SystemUser | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid && gid ? { name, uid: Number(uid), gid: Number(gid) } : undefined;
}

/** The user's name, or its number when it has none. */
export function nameOfUser(uid: number): string {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.split(':')[2] === String(uid));
  return line?.split(':')[0] ?? `number ${uid}`;
}

/** `undefined` for an ordinary user (run directly); as root, `postgres`, or a system user made for it, or `nobody`. */
export function databaseUser(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const found = lookUp('postgres') ?? lookUp('drydock-postgres');
  if (found) return found;
  spawnSync('useradd', ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', 'drydock-postgres']);
  const made = lookUp('drydock-postgres') ?? lookUp('nobody');
  if (made) return made;
  throw new Error('Postgres cannot run as root and there is no other user to run it: make one, or set DATABASE_URL.');
}

/** Can this user enter `folder` and, when given, start `program`? Asked of the system itself, as that user. */
export function canReach(user: SystemUser, folder: string, program?: string): boolean {
  const script = 'cd -- "$1" && { [ -z "$2" ] || [ -x "$2" ]; }';
  const result = spawnSync('/bin/sh', ['-c', script, 'sh', folder, program ?? ''], {
    uid: user.uid,
    gid: user.gid,
    cwd: '/',
    stdio: 'ignore',
  });
  return result.status === 0;
}
