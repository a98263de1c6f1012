/**
 * Every error code that crosses a process, with its blame, its retry family and its sentence.
 *
 * Codes are stable: they are stored, shown, and branched on. Blame decides which brake a failure
 * feeds (design, "Policy of a campaign"); the retry family says what the planner may do next.
 */

/** Who is to blame for a failure: decides which test of the brake it feeds. */
export type Blame = 'firmware' | 'device' | 'link' | 'gateway' | 'server' | 'operator';

/**
 * What can be done after an error.
 * - `resume`: go on from what the target itself says, within the same attempt.
 * - `retry`: a new attempt later may succeed.
 * - `none`: trying again changes nothing; a person must act.
 */
export type Recovery = 'resume' | 'retry' | 'none';

export interface ErrorCodeFacts {
  readonly blame: Blame;
  readonly recovery: Recovery;
  /** A plain sentence. `{name}` stands for a parameter of the error. */
  readonly sentence: string;
}

const row = (blame: Blame, recovery: Recovery, sentence: string): ErrorCodeFacts => ({ blame, recovery, sentence });

export const ERROR_CODES = {
  // Artifacts: what a file may be refused for.
  'artifact.unknown-format': row('operator', 'none', 'The file is in no format that Drydock knows: {detail}.'),
  'artifact.malformed': row('operator', 'none', 'The file is broken at {field} (byte {offset}): {detail}.'),
  'artifact.truncated': row('operator', 'none', 'The file ends after {actual} bytes; {field} needs {expected}.'),
  'artifact.limit': row('operator', 'none', 'The file passes a limit: {field} is {actual}, at most {limit} is taken.'),
  'artifact.digest': row('server', 'retry', 'The bytes do not match their digest: {field}.'),
  'artifact.signature': row('operator', 'none', 'The signature does not hold: {detail}.'),
  'artifact.unsigned': row('operator', 'none', 'The file is not signed, and model {model} requires a signature.'),
  'artifact.wrong-model': row('operator', 'none', 'The file is for {actual}; the device is {expected}.'),
  'artifact.wrong-hardware': row('operator', 'none', 'The file is for hardware {actual}; the device has {expected}.'),
  'artifact.requires': row('operator', 'none', 'The file requires {expected}; the device runs {actual}.'),
  'artifact.downgrade': row('operator', 'none', 'The file is older ({actual}) than what runs ({expected}).'),
  'artifact.unsupported': row('operator', 'none', 'The file is known, but it cannot be delivered: {detail}.'),
  'artifact.debug': row(
    'operator',
    'none',
    'The file is a debug build, for which devices skip checks: allow it by name or build it for production.',
  ),
  'artifact.conflict': row('operator', 'none', 'The same file is already stored with other metadata: {field}.'),
  // Links: the radio or the wire.
  'link.lost': row('link', 'resume', 'The link was lost: {detail}.'),
  'link.timeout': row('link', 'resume', 'No answer within {withinMs} ms: {detail}.'),
  'link.not-found': row('link', 'retry', 'The device was not found on {link} within {withinMs} ms.'),
  'link.open-failed': row('link', 'retry', 'The link {link} could not be opened: {detail}.'),
  'link.busy': row('gateway', 'retry', 'The link {link} is in use by another process.'),
  'link.auth-required': row(
    'operator',
    'none',
    'The device wants pairing or encryption for {channel}; there is no bond, or it is not enough.',
  ),
  'link.no-such-channel': row('device', 'none', 'The device does not offer {channel}.'),
  'link.corrupt': row('link', 'resume', 'The link delivers damaged frames: {detail}.'),
  'link.ble-unavailable': row('gateway', 'retry', 'Bluetooth is not available on this machine: {detail}.'),
  'link.no-room': row('gateway', 'retry', 'The adapter carries no more than {connections} connections at a time.'),
  'link.bond-lost': row(
    'operator',
    'none',
    'The device and this gateway hold no common bond any more: {detail}. Forget the bond, and pair again.',
  ),
  'link.pairing-failed': row('operator', 'none', 'Pairing failed: {detail}.'),
  'link.passkey-required': row('operator', 'none', 'The device must be paired with its passkey: {detail}.'),
  'link.security-level': row('operator', 'none', 'The link must be {expected}, and is {actual}: {detail}.'),
  'link.downgrade': row(
    'device',
    'none',
    'The device offers less security than it is bonded with: {detail}. If it was reset, forget its bond first.',
  ),
  // Targets: what a device answered.
  'target.refused': row('device', 'retry', 'The device refused {request} with result {result}: {detail}.'),
  'target.refused-image': row(
    'firmware',
    'none',
    'The device refused the image: {request}, result {result}: {detail}.',
  ),
  'target.malformed-answer': row('device', 'resume', 'The device sent an answer that cannot be read: {detail}.'),
  'target.busy': row('device', 'retry', 'The device is busy: {detail}.'),
  'target.no-memory': row('device', 'retry', 'The device has no room: {detail}.'),
  'target.wrong-identity': row('operator', 'none', 'Another unit answered: expected {expected}, found {actual}.'),
  'target.wrong-kind': row('operator', 'none', 'The device is no {expected}: {detail}.'),
  'target.digest-mismatch': row(
    'link',
    'resume',
    'The device computed another checksum: expected {expected}, got {actual}.',
  ),
  'target.did-not-return': row(
    'firmware',
    'retry',
    'The device did not come back within {withinMs} ms after it was told to start the new image.',
  ),
  'target.wrong-image-runs': row(
    'firmware',
    'none',
    'After the update the device runs {actual} instead of {expected}.',
  ),
  'target.reverted': row('firmware', 'none', 'The device fell back to its former image.'),
  'target.not-confirmed': row('firmware', 'retry', 'The new image runs but could not be confirmed: {detail}.'),
  'target.in-bootloader': row('device', 'retry', 'The device stayed in its bootloader: {detail}.'),
  'target.settings-lost': row(
    'firmware',
    'none',
    'The new firmware runs, but {count} settings were lost and could not be put back: {detail}.',
  ),
  // Fences and orders.
  'fence.start-by': row('gateway', 'retry', 'The grant ended before the device was touched.'),
  'fence.finish-by': row('link', 'retry', 'The time for this attempt ran out: nothing may be written after it.'),
  'fence.phase': row(
    'link',
    'retry',
    'A phase of the update took longer than the policy allows, and the device was left at a safe point.',
  ),
  'fence.no-time': row('gateway', 'retry', 'The gateway has no trusted time, so it starts nothing.'),
  'order.cancelled': row('operator', 'retry', 'A person or a rule cancelled the attempt.'),
  'order.unknown-must': row('gateway', 'none', 'The order needs {field}, which this agent does not know.'),
  'order.withdrawn': row('operator', 'retry', 'The grant was withdrawn before it started.'),
  // Gateways.
  'gateway.download': row('gateway', 'retry', 'The artifact could not be downloaded: {detail}.'),
  'gateway.disk-full': row('gateway', 'retry', 'The disk of the gateway is full.'),
  'gateway.restarted': row('gateway', 'retry', 'The agent restarted while the attempt ran.'),
  'gateway.offline': row(
    'gateway',
    'retry',
    'The gateway had no way to the server in the time in which its new agent had to prove itself: {detail}.',
  ),
  'gateway.no-link': row('gateway', 'retry', 'No link to the device: {detail}.'),
  'gateway.no-protocol': row('gateway', 'none', 'This agent does not speak {protocol}.'),
  'gateway.no-release-key': row(
    'operator',
    'none',
    'The artifact carries no signature of the release key kept for model {model}.',
  ),
  'gateway.no-loader-codec': row(
    'gateway',
    'none',
    'This gateway cannot speak to the boot loader ({protocol}): {detail}.',
  ),
  'gateway.raw-port': row('operator', 'none', "The vendor's tool did not update the device: {detail}."),
  'gateway.journal': row('gateway', 'retry', 'The journal of the gateway cannot be written: {detail}.'),
  // Local rules of the site.
  'site.quiet-hours': row('operator', 'retry', 'The quiet hours of the site lasted until the grant ended.'),
  'site.in-use': row('operator', 'retry', 'The device was in use until the grant ended: {detail}.'),
  'site.battery': row('operator', 'retry', 'The battery was too low, or not known, until the grant ended: {detail}.'),
  'site.hook-before': row('operator', 'retry', "The site's hook before the update failed: {detail}."),
  'site.hook-after': row('operator', 'none', "The site's hook after the update failed: {detail}."),
  // Server and people.
  'server.blob-missing': row('server', 'retry', 'The artifact bytes are missing in the store.'),
  'server.unavailable': row('server', 'retry', 'The server cannot do this now: {detail}.'),
  'server.overloaded': row('server', 'retry', 'The server is overloaded; come back in {retryAfterMs} ms.'),
  'deployment.lost': row('gateway', 'retry', 'Nothing was heard of the attempt until its deadline.'),
  'request.invalid': row('operator', 'none', 'The request is not valid: {detail}.'),
  'request.unauthenticated': row('operator', 'none', 'Sign in: a valid token is needed.'),
  'request.csrf': row(
    'operator',
    'none',
    'This request did not come from a page of this server that knows the session: load the page again.',
  ),
  'sign-in.refused': row('operator', 'none', 'The address or the password is wrong, or this person may not sign in.'),
  'sign-in.off': row('operator', 'none', 'Sign-in by {method} is not set up on this server.'),
  'sign-in.provider': row('operator', 'retry', 'The OpenID provider did not sign anybody in: {detail}.'),
  'sign-in.unknown-person': row(
    'operator',
    'none',
    'Nobody here has the address that the OpenID provider vouches for: an admin adds the person first.',
  ),
  'sign-in.again': row(
    'operator',
    'none',
    'This needs a sign-in that is no older than {minutes} minutes: sign in again, then do it once more.',
  ),
  'password.link': row('operator', 'none', 'The link is unknown, used or past its end: ask an admin for a new one.'),
  'request.forbidden': row('operator', 'none', 'This needs the role {role}.'),
  'request.not-found': row('operator', 'none', 'There is no {what} with id {id}.'),
  'request.conflict': row('operator', 'none', 'This does not fit the present state: {detail}.'),
  'request.stale': row(
    'operator',
    'none',
    'Somebody changed it meanwhile: it is at revision {actual}, you sent {expected}.',
  ),
  'request.too-large': row('operator', 'none', 'The request is larger than {limit} bytes.'),
  'request.rate': row('operator', 'retry', 'Too many requests; come back in {retryAfterMs} ms.'),
  'campaign.policy': row('operator', 'none', 'The policy cannot work: {detail}.'),
  'campaign.empty': row('operator', 'none', 'The selector matches no device that this artifact fits.'),
  'campaign.state': row('operator', 'none', 'A campaign that is {actual} cannot be {wanted}.'),
  'enrolment.token': row('operator', 'none', 'The enrolment token is unknown, used or past its end.'),
  'settings.unknown': row('operator', 'none', 'Unknown setting {field}.'),
  'settings.invalid': row('operator', 'none', 'Setting {field} is not valid: {detail}.'),
  'internal.invariant': row(
    'server',
    'none',
    'Drydock found itself in a state that cannot be: {detail}. This is our bug.',
  ),
} as const satisfies Record<string, ErrorCodeFacts>;

export type ErrorCode = keyof typeof ERROR_CODES;

export const ERROR_CODE_LIST = Object.keys(ERROR_CODES) as ErrorCode[];

/** Parameters of an error: flat, so that they can be stored, compared and put into sentences. */
export type ErrorParams = Readonly<Record<string, string | number | boolean | null>>;

/** The sentence of a code with its parameters filled in; a missing one is shown as `?`, or left out where it stands behind a colon at the end. */
export function errorSentence(code: ErrorCode, params: ErrorParams = {}): string {
  return (
    ERROR_CODES[code].sentence
      // What only adds to the sentence is left out where it is not known, as of a code alone.
      .replace(/: \{(\w+)\}(?=\.?$)/, (whole, name: string) => (params[name] === undefined ? '' : whole))
      .replace(/\{(\w+)\}/g, (_, name: string) => String(params[name] ?? '?'))
  );
}

/** @returns true for a code of this table; anything else came from a stranger or a newer peer. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text);
}
