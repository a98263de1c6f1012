/**
 * What a sighting of a running image means for the deployments of a device. The fleet room judges whether the
 * sighting is credible; the reports room, which owns results, draws the conclusion.
 */
import type { EntityManager } from 'typeorm';
import type { RunningImage } from '../../domain/fleet/running-evidence.js';

export const DEPLOYMENT_EVIDENCE = Symbol('DeploymentEvidence');

export interface RunningImageSighting {
  readonly deviceId: string;
  /** What the *application* said runs; never empty. */
  readonly running: readonly RunningImage[];
  /** Epoch of the agent that read it. */
  readonly epoch: string;
  /** Number of the newest report that this epoch had issued when the unit was read. */
  readonly readAfterSeq: number;
}

export interface DeploymentEvidence {
  /**
   * Called in the transaction that stores the sighting, with the row of the device locked, when a device whose
   * newest deployment is `proven` or `unproven` credibly runs another image than that deployment's artifact. The
   * implementation moves the deployment to `reverted` (a correction, once) and the counters with it; it must be safe
   * to be called again for the same sighting.
   */
  runningImageSeen(tx: EntityManager, sighting: RunningImageSighting): Promise<void>;
}
