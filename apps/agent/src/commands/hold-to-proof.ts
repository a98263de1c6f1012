/** P1 for an update by hand: no person at a gateway is told `proven` where a campaign would say `unproven`. */
import { provableImages, whyUnproven } from '@drydock/contracts';
import {
  bootloaderAddress,
  type ArtifactDescription,
  type Identification,
  type Identity,
  type UpdateOutcome,
} from '@drydock/dfu-core';

/** An outcome with the reasons of the common rule beside those a session has. */
export type HeldOutcome =
  | Exclude<UpdateOutcome, { outcome: 'unproven' }>
  | (Omit<UpdateOutcome, 'outcome'> & { readonly outcome: 'unproven'; readonly reason: string });

/**
 * Looks at a session's `proven` with the rule by which the server looks at an agent's.
 * @param found what was read before the session began.
 * @param touched whether anything was written that changes the unit.
 * @param expectVersion what the person says that the application calls itself, and that no other file makes it say.
 */
export function holdToProof(
  outcome: UpdateOutcome,
  found: Identification,
  touched: boolean,
  artifact: ArtifactDescription,
  expectVersion: string | undefined,
): HeldOutcome {
  if (outcome.outcome !== 'proven') return outcome;
  const { before, after } = outcome;
  const unproven = (reason: string): HeldOutcome => ({ ...outcome, outcome: 'unproven', reason });
  if (after?.mode !== 'application') return unproven('image-not-readable');
  const why = whyUnproven(
    {
      touched,
      identity: after.identity,
      // A unit that was found in its bootloader says nothing of what ran.
      before: before && before.running.length > 0 ? before.running : found.running,
      after: after.running,
    },
    {
      images: provableImages(artifact),
      runningVersion: expectVersion ?? null,
      versionProves: expectVersion !== undefined,
    },
    unitBehind(found, after.identity),
  );
  return why === undefined ? outcome : unproven(why);
}

/** A bootloader may answer under an address of its own, which is its application's plus one. */
function unitBehind({ mode, identity }: Identification, application: Identity): Identity {
  const isItsBootloader =
    mode === 'bootloader' &&
    identity.kind === 'ble-address' &&
    application.kind === 'ble-address' &&
    bootloaderAddress(application.value) === identity.value;
  return isItsBootloader ? application : identity;
}
