/** What can be set on a simulated controller, and what it counts. */
import type { Scheduler } from '../target.js';

export interface ControllerOptions {
  /** Time. Default: the wall clock. */
  readonly scheduler?: Scheduler;
  /** Keep the air's pace (connection events, air time). Default false: as fast as possible, still ordered. */
  readonly paced?: boolean;
  /** Connections share one radio, or each has its own. Matters when paced. Default `independent`. */
  readonly air?: 'shared' | 'independent';
  /** Probability that a link packet is lost. Default 0. */
  readonly lossRate?: number;
  readonly seed?: number;
  /** LE Read Buffer Size: data bytes of one ACL packet, and how many packets the controller holds. 251 and 12. */
  readonly aclBytes?: number;
  readonly aclPackets?: number;
  /** Largest link payload the controller negotiates, and whether it speaks the 2M PHY. 251, true. */
  readonly maxLinkPayloadBytes?: number;
  readonly phy2m?: boolean;
  /** Overrides the supervision timeout that the host asked for, so that tests need not wait seconds. */
  readonly supervisionMs?: number;
  readonly maxConnections?: number;
  /** The controller's public address; all zeros = it has none, as many radio chips. */
  readonly address?: string;
}

/** Counters for tests and benches. */
export interface ControllerStatistics {
  readonly commands: ReadonlyMap<number, number>;
  /** Most ACL packets of the host ever held at once, over all connections. */
  readonly mostHeld: number;
  /** ACL packets that came although the buffer was full: the host broke the rules. They are dropped. */
  readonly overruns: number;
  readonly skippedBytes: number;
}

export type CompleteOptions = Required<Omit<ControllerOptions, 'scheduler' | 'supervisionMs'>> & {
  readonly supervisionMs?: number;
};

export function completeOptions(options: ControllerOptions): CompleteOptions {
  return {
    paced: false,
    air: 'independent',
    lossRate: 0,
    seed: 1,
    aclBytes: 251,
    aclPackets: 12,
    maxLinkPayloadBytes: 251,
    phy2m: true,
    maxConnections: 16,
    address: 'c0:ff:ee:00:00:01',
    ...options,
  };
}
