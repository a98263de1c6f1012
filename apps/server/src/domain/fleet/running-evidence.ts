/** What a sighting of a running image proves about a device, and whether it is newer than the last result. */

/** What an application said runs. */
export interface RunningImage {
  readonly image: number;
  readonly version?: string | undefined;
  /** Lower-case hex. */
  readonly hash?: string | undefined;
  readonly confirmed?: boolean | undefined;
}

export interface Sighting {
  readonly gatewayId: string;
  readonly epoch: string;
  /** Number of the newest report that the epoch had issued when the unit was read. */
  readonly readAfterSeq: number;
  /** Newest moment of the servers' clock that the agent knew when it read the unit. */
  readonly readHeardMs: number | null;
  /** Epochs of the same gateway that are over: this one followed them. */
  readonly earlierEpochs: ReadonlySet<string>;
}

/** The newest end of an attempt on the device. */
export interface LastResult {
  readonly gatewayId: string | null;
  /** Epoch and number of the report that brought it; null when a deadline ended it. */
  readonly epoch: string | null;
  readonly seq: number | null;
  /** When it was committed, milliseconds of the servers' clock. */
  readonly atMs: number;
}

/**
 * Whether the unit was read after the result was issued.
 *
 * Through the same gateway the agent's own numbers order the two, and a result of an epoch that is over is older than
 * anything a later one reads. Otherwise (another gateway, or an epoch whose place is not known) only the servers'
 * clock can, and where the agent did not know it, the sighting does not count.
 */
export function isReadAfter(sighting: Sighting, result: LastResult | null): boolean {
  if (result === null) return true;
  if (sighting.gatewayId === result.gatewayId && result.epoch !== null) {
    if (sighting.epoch === result.epoch) return sighting.readAfterSeq >= (result.seq ?? 0);
    if (sighting.earlierEpochs.has(result.epoch)) return true;
  }
  return sighting.readHeardMs !== null && sighting.readHeardMs > result.atMs;
}

/** What an artifact looks like while it runs. */
export interface ArtifactFace {
  readonly images: readonly { readonly image: number; readonly runningHash?: string | undefined }[];
  /** What the application calls itself; null where nothing is known. */
  readonly version: string | null;
}

/**
 * Compares what runs with what an artifact would run as. Hashes decide where both sides have one: a lone image by
 * its hash wherever it stands, several by their numbers. Otherwise the version of image 0.
 */
export function compareRunning(running: readonly RunningImage[], artifact: ArtifactFace): 'same' | 'other' | 'unknown' {
  const expected = artifact.images.filter(({ runningHash }) => runningHash !== undefined);
  const hashed = running.filter(({ hash }) => hash !== undefined);
  const [lone] = expected;
  if (lone && expected.length === 1 && hashed.length > 0) {
    return hashed.some(({ hash }) => hash === lone.runningHash) ? 'same' : 'other';
  }
  if (expected.length > 1 && hashed.length > 0) {
    // Several hashes of one number are one firmware, linked for different slots.
    const pairs = expected.flatMap(({ image }) => {
      const found = hashed.find((other) => other.image === image);
      return found ? [expected.some((each) => each.image === image && each.runningHash === found.hash)] : [];
    });
    if (pairs.length > 0) return pairs.every(Boolean) ? 'same' : 'other';
  }
  const version = mainVersion(running);
  if (artifact.version === null || version === null) return 'unknown';
  return version === artifact.version ? 'same' : 'other';
}

/** Version of the main image: number 0, or else the lowest. */
export function mainVersion(running: readonly RunningImage[]): string | null {
  return mainImage(running)?.version ?? null;
}

export function mainHash(running: readonly RunningImage[]): string | null {
  return mainImage(running)?.hash ?? null;
}

function mainImage(running: readonly RunningImage[]): RunningImage | undefined {
  return [...running].sort((a, b) => a.image - b.image)[0];
}
