/** Where the embedded database lives, and as whom it runs. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyNativeFolder, findNativeFolder, prepareBinaries, type PostgresBinaries } from './postgres-binaries.js';
import { canReach, databaseUser, nameOfUser, type SystemUser } from './unprivileged-user.js';

export interface PostgresPlace {
  readonly clusterDir: string;
  readonly passwordFile: string;
  readonly binaries: PostgresBinaries;
  readonly user: SystemUser | undefined;
}

/**
 * Decides where the cluster is and as whom it runs. As an ordinary user: under the data folder, directly. As root: as
 * another user, and where that user cannot reach the data folder or the programs, in folders under /var/lib.
 * @param say plain sentences for the log: what was chosen and why.
 * @throws Error when the folder belongs to somebody else.
 */
export function choosePlace(dataDir: string, say: (sentence: string) => void): PostgresPlace {
  const user = ownerOfCluster(join(dataDir, 'postgres', 'data')) ?? databaseUser();
  const native = findNativeFolder();
  mkdirSync(dataDir, { recursive: true, mode: user ? 0o755 : 0o700 });
  if (!user) {
    const base = join(dataDir, 'postgres');
    mkdirSync(base, { recursive: true, mode: 0o700 });
    const owner = statSync(base).uid;
    if (process.getuid && owner !== process.getuid()) {
      throw new Error(
        `${base} belongs to user ${owner}, not to you: start as that user (root for one made by root), ` +
          'or set DRYDOCK_DATA_DIR to another folder.',
      );
    }
    return {
      clusterDir: join(base, 'data'),
      passwordFile: join(base, 'password'),
      binaries: prepareBinaries(native.folder, join(base, 'lib')),
      user,
    };
  }

  // As root: both data and programs must be reachable for the other user.
  let base = join(dataDir, 'postgres');
  const elsewhere = join(dataDir, 'postgres.location');
  if (existsSync(elsewhere)) {
    base = readFileSync(elsewhere, 'utf8').trim();
  } else {
    mkdirSync(base, { recursive: true, mode: 0o755 });
    if (!canReach(user, base)) {
      if (!existsSync(join(base, 'data'))) rmdirSync(base);
      // A name of its own, noted in the data folder: whoever removes that folder gets a new database, not the old one.
      base = join('/var/lib', `drydock-${randomBytes(6).toString('hex')}`);
      writeFileSync(elsewhere, `${base}\n`);
      say(`User ${user.name} cannot reach ${dataDir}: the embedded database keeps its data in ${base}.`);
    }
  }
  mkdirSync(base, { recursive: true, mode: 0o755 });
  let folder = native.folder;
  if (!canReach(user, folder, join(folder, 'bin', 'postgres'))) {
    const to = join('/var/lib', `drydock-postgres-${native.version}`);
    if (!existsSync(to)) say(`User ${user.name} cannot reach ${folder}: the database programs are copied to ${to}.`);
    folder = copyNativeFolder(folder, to);
  }
  say(`Running as root: the embedded database runs as user ${user.name}, data in ${join(base, 'data')}.`);
  return {
    clusterDir: join(base, 'data'),
    passwordFile: join(base, 'password'),
    binaries: prepareBinaries(folder, join(base, 'lib')),
    user,
  };
}

/** As root on a cluster that an ordinary user made: Postgres insists on running as that user. */
function ownerOfCluster(clusterDir: string): SystemUser | undefined {
  if (process.getuid?.() !== 0 || !existsSync(join(clusterDir, 'PG_VERSION'))) return undefined;
  const { uid, gid } = statSync(clusterDir);
  return uid === 0 ? undefined : { name: nameOfUser(uid), uid, gid };
}
