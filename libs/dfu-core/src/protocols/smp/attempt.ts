/** What one update knows of itself: who was there before, what was done, and the steps that all its parts share. */
import { ArtifactError, DrydockError, LinkError } from '../../errors.js';
import type { Identification, UpdateRequest } from '../../session/protocol.js';
import type { ReconnectHint } from '../../session/session.js';
import { awaitReturn, type Return } from './activation.js';
import type { SmpClient, Step } from './client.js';
import { fitArtifact } from './fit.js';
import type { Survey } from './survey.js';

export class Attempt {
  before: Identification | undefined;
  after: Identification | undefined;
  sentBytes = 0;
  /** The unit may be without a running application. */
  needsRescue = false;
  touched = false;
  activated = false;
  /** An image was set for the next boot by us. */
  pendingByUs = false;
  /** Serial recovery was entered by us, and nothing was erased in it yet. */
  inRecoveryByUs = false;
  /** Where the firmware loader that we entered is found while it runs. */
  loader: { readonly name: string; address?: string } | undefined;
  /** Images whose slot was just erased by us. */
  readonly erased = new Set<number>();
  /** The wanted images were seen running. */
  sawWanted = false;

  constructor(
    readonly client: SmpClient,
    readonly request: UpdateRequest,
    /** By which a firmware loader is to advertise; another for each update. */
    readonly loaderName: string,
  ) {}

  /**
   * The unit must be the one that is meant. Serial recovery cannot state a name: there the application must, later.
   * @throws DrydockError `target.wrong-identity`
   */
  checkIdentity({ identity: actual, mode }: Identification): void {
    const expected = this.request.expectIdentity ?? this.before?.identity;
    if (!expected || (expected.kind === actual.kind && expected.value === actual.value)) return;
    // The loader has an address of its own; that it is ours, the name tells that we gave it.
    if (this.loader && mode === 'bootloader') return;
    const namedLater = mode === 'bootloader' && expected.kind === 'serial-number' && actual.kind !== 'serial-number';
    const namedNow =
      this.before?.mode === 'bootloader' && actual.kind === 'serial-number' && !this.request.expectIdentity;
    if (namedLater || namedNow) return;
    throw new DrydockError('target.wrong-identity', {
      expected: `${expected.kind} ${expected.value}`,
      actual: `${actual.kind} ${actual.value}`,
    });
  }

  /** @throws ArtifactError when the artifact may not go to this unit. */
  checkFit(found: Survey): void {
    const fit = fitArtifact(found.identification, this.request.artifact, this.request);
    if (!fit.fits) throw new ArtifactError(fit.code, fit.params);
  }

  *touch(): Step<void> {
    if (this.touched) return;
    yield* this.client.mark('touched');
    this.touched = true;
  }

  /**
   * Where to look for the unit after a restart. A unit that states a name of its own may come back under another
   * address: whoever is found by its advertised name must then state the same.
   */
  returnHint(afterMs = 0): ReconnectHint {
    const { link, options } = this.client;
    if (link.kind === 'ble' && this.loader) {
      const { name, address } = this.loader;
      return { ...(afterMs > 0 && { afterMs }), ...(address === undefined ? { name } : { addresses: [address] }) };
    }
    const home = this.before?.identity;
    const isElsewhere = home?.kind === 'ble-address' && home.value !== link.identity.value;
    const addresses = isElsewhere ? { addresses: [home.value] } : {};
    const byName = link.kind === 'ble' && options['identity'] === 'node-name' && link.name !== undefined;
    return {
      ...(afterMs > 0 && { afterMs }),
      ...addresses,
      ...(byName && link.name !== undefined && { name: link.name }),
    };
  }

  /** Waits for the unit after a reset. @throws DrydockError `target.did-not-return` and what is found instead of it. */
  *seeReturn(withinMs: number, stillWaiting: (found: Survey) => boolean): Step<Return> {
    try {
      const back = yield* awaitReturn(this.client, withinMs, stillWaiting, (afterMs) => this.returnHint(afterMs));
      this.checkIdentity(back.survey.identification);
      this.after = back.survey.identification;
      this.needsRescue = false;
      return back;
    } catch (error) {
      const silent = error instanceof LinkError && (error.code === 'link.not-found' || error.code === 'link.timeout');
      if (!silent) throw error;
      throw new DrydockError('target.did-not-return', { withinMs }, { cause: error });
    }
  }
}
