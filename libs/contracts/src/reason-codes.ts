/**
 * Why a device of a campaign is not updated (P9): exactly one code with parameters, from the same rules
 * that decide. `until` (milliseconds, server's clock) is present where the time of change is known.
 */
export const REASON_CODES = {
  'campaign.draft': 'The campaign has not been started.',
  'campaign.awaiting-approval': 'The campaign waits for {missing} more approval(s).',
  'campaign.scheduled': 'The campaign starts at {until}.',
  'campaign.paused': 'The campaign was paused by {by}.',
  'campaign.halted': 'The campaign was halted: {rule}.',
  'campaign.aborting': 'The campaign is being aborted.',
  'stage.pending': 'Stage {stage} has not opened: stage {openStage} is {openState}.',
  'stage.behind-held': 'Stage {stage} has not opened: stage {openStage} is held for a person: {note}.',
  'stage.held': 'Stage {stage} is held for a person: {note}.',
  'stage.approval': 'Stage {stage} waits for the approval of stage {openStage}.',
  'stopped.stratum': 'Devices that ran {version} are stopped: {note}.',
  'stopped.amber': 'The evidence against the firmware is rising: nothing new is opened until it falls.',
  'stopped.brake': 'The brake cannot be computed, so nothing is started.',
  'stratum.first': 'No device that ran {version} was in the first stage: they are tried one by one first.',
  'window.closed': 'The maintenance window of the site {site} is closed until {until}.',
  'window.too-short':
    'What is left of the maintenance window of the site {site} is too short; the next opens at {until}.',
  'campaign.urgent-first': 'The urgent campaign {campaign} goes first on the gateway {gateway}.',
  'redundancy.group': 'In group {group}, {out} of {limit} devices that may be out of service are out.',
  'battery.low': 'The battery is at {percent} %, the campaign wants {wanted} %.',
  'site.quarantined': 'The site {site} is quarantined in this campaign: {note}.',
  'site.full': 'The site {site} already has {running} of {limit} updates under way.',
  'requires.step': 'The device goes to {version} first, which the artifact requires.',
  'requires.missing':
    'Skipped: the artifact follows only {wanted}; the device runs {running}, and no stored artifact leads there.',
  'limit.unproven': '{count} results stand unproven; the campaign goes on at less than {limit}.',
  'device.other-model': 'The device is a {actual}, the artifact is for {expected}.',
  'device.decommissioned': 'The device is decommissioned: {note}.',
  'device.hold': 'The device is on hold: {note}.',
  'gateway.hold': 'The gateway {gateway} is on hold: {note}.',
  'site.hold': 'The site {site} is on hold: {note}.',
  'gateway.quarantined': 'The gateway {gateway} is quarantined: {note}.',
  'gateway.offline': 'The gateway {gateway} has been silent since {since}.',
  'gateway.none': 'No gateway reaches the device.',
  'gateway.no-protocol': 'The agent on {gateway} does not speak {protocol}.',
  'gateway.full': 'The gateway {gateway} already has {running} of {limit} updates under way.',
  'limit.in-flight': 'The campaign already has {running} of {limit} updates under way.',
  'limit.rate': 'The campaign starts at most {limit} devices a minute.',
  'device.claimed': 'Another campaign ({campaign}) is updating the device.',
  'device.unapproved': 'The device was claimed elsewhere and waits for approval.',
  'fence.open': 'The end of the last attempt is not known; it is over at {until} at the latest.',
  'retry.later': 'The last try failed ({code}); the next is due at {until}.',
  'artifact.blob-missing': 'The bytes of the artifact are missing in the store.',
  'engine.due': 'Nothing stands in the way: it is granted with the next step of the engine.',
  'server.settling': 'The server was restored and waits until gateways have answered, at the latest at {until}.',
  'state.granted': 'Granted to {gateway}; it may start until {until}.',
  'state.downloading': 'The gateway {gateway} fetches the artifact.',
  'state.transferring': 'The transfer runs on {gateway}; over at {until} at the latest.',
  'state.activating': 'The device is starting the new image.',
  'state.proving': 'The gateway is reading what runs now.',
  'state.cancelling': 'The attempt is being cancelled.',
  'state.rescue': 'The device has no running application and waits for a rescue.',
  'end.proven': 'Updated and proven.',
  'end.unproven': 'Updated, but not proven: {reason}.',
  'end.failed': 'Failed after {attempts} attempt(s): {code}.',
  'end.reverted': 'The device runs another image again: {running}.',
  'end.cancelled': 'Cancelled: {note}.',
  'end.skipped': 'Skipped: {reason}.',
  'end.lost': 'Nothing was heard of attempt {attempt} since {since}.',
} as const satisfies Record<string, string>;

export type ReasonCode = keyof typeof REASON_CODES;

export interface Reason {
  readonly code: ReasonCode;
  readonly params: Readonly<Record<string, string | number | boolean | null>>;
  /** When it changes by itself, where that is known (milliseconds, server's clock). */
  readonly until?: number;
}

export function reasonSentence(reason: Reason): string {
  return REASON_CODES[reason.code].replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = name === 'until' ? (reason.until ?? reason.params[name]) : reason.params[name];
    if (value === undefined || value === null) return '?';
    return name === 'until' || name === 'since' ? new Date(Number(value)).toISOString() : String(value);
  });
}
