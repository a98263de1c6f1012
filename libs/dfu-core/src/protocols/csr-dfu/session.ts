/** BC127 modules with Melody over a UART: the protocol as the driver sees it. See README.md. */
import { DrydockError, InvariantError } from '../../errors.js';
import { CSR_DFU_FORMAT, csrPayloads } from '../../image/csr-dfu/describe-file.js';
import type { Identification, Protocol, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { LeaveError, LinkTalk } from '../../session/link-talk.js';
import { fit } from './fit.js';
import { findOrFail, PROTOCOL_NAME } from './identify.js';
import { judge } from './judge.js';
import { FACTORY_LINE } from './lines.js';
import { MelodyCli } from './melody.js';
import { csrRawPort } from './raw-port.js';
import { readSettings } from './settings.js';
import { type CsrDfuSettings, CsrUpdate } from './update.js';

function* identify(link: LinkInfo, options: Readonly<Record<string, string>>): Session<Identification> {
  return (yield* findOrFail(new LinkTalk(link), options)).identification;
}

/** The settings of the module, a line each; licence keys are secrets and not shown. */
function* details(link: LinkInfo, options: Readonly<Record<string, string>>): Session<readonly string[]> {
  const talk = new LinkTalk(link);
  const found = yield* findOrFail(talk, options);
  if (!found.cli) return Object.entries(found.identification.hardware).map(([name, value]) => `${name} ${value}`);
  const cli = new MelodyCli(talk);
  yield* cli.listenAt(found.cli.line);
  const { config, licences } = yield* readSettings(cli);
  return [
    ...[...config].map(([name, value]) => `${name}=${value}`),
    ...[...licences.keys()].map((name) => `licence ${name}`),
  ];
}

/** Never throws. */
function* prove(link: LinkInfo, request: UpdateRequest, before: Identification | undefined): Session<UpdateOutcome> {
  const talk = new LinkTalk(link);
  const rest = { ...(before && { before }), sentBytes: 0 };
  let isAway = false;
  try {
    const { identification: after } = yield* findOrFail(talk, request.linkOptions ?? {});
    isAway = after.mode === 'bootloader';
    yield* talk.close();
    return { ...judge(before, after, request), ...rest, after, needsRescue: isAway };
  } catch (error) {
    if (error instanceof LeaveError) return { outcome: 'cancelled', ...rest, needsRescue: isAway };
    const { code, params } =
      error instanceof DrydockError
        ? error
        : new InvariantError(error instanceof Error ? error.message : String(error));
    return { outcome: 'failed', code, params, ...rest, needsRescue: isAway };
  }
}

/** @param settings with a `codec` for hardware; without, only simulated modules can be updated. */
export function createCsrDfu(settings: CsrDfuSettings = {}): Protocol {
  return {
    name: PROTOCOL_NAME,
    links: ['serial'],
    services: [],
    line: FACTORY_LINE,
    formats: [CSR_DFU_FORMAT],
    recognise: () => undefined,
    identify,
    details,
    fit,
    payloads: csrPayloads,
    leavesApplication: () => true,
    update: (link, request) => new CsrUpdate(link, request, settings).run(),
    prove,
    // The way of an update begins wherever the module is found, so a rescue is the same way.
    rescue: (link, request) => new CsrUpdate(link, request, settings).run(),
    rawPort: csrRawPort,
  };
}

export const csrDfu: Protocol = createCsrDfu();
