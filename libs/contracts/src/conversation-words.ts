/** What a gateway said of an attempt, in words for people. Pure; text of a device or gateway stands where it was named only. */
import { errorSentence, isErrorCode, type ErrorParams } from './error-codes.js';

type Facts = Readonly<Record<string, unknown>>;

const WITHDRAWN: Readonly<Record<string, string>> = {
  superseded: 'a newer order left it out',
  cancelled: 'it was cancelled',
  'epoch-ended': 'the gateway began anew before it started',
  'start-by-passed': 'its time to start was over',
  'never-arrived': 'the gateway never got it',
};

/**
 * One line of the conversation about an attempt.
 * @param kind of the report, or `granted` and `lost`, which the server itself says.
 * @param facts the body of the report as it was stored: anything may be missing or of another type.
 * @returns a sentence; for a kind that this version does not know, its name.
 */
export function conversationSentence(kind: string, facts: Facts): string {
  switch (kind) {
    case 'granted':
      return 'It may start.';
    case 'downloading':
      return 'The gateway holds the grant and fetches the file where it has it not yet.';
    case 'touched':
      return `First touch of the device, which ran ${runs(facts.before)}.`;
    case 'erased':
      return 'A point of no return: what it ran is being replaced, so the attempt must finish.';
    case 'complete':
      return 'All bytes were sent.';
    case 'activating':
      return 'The device was told to start what it got.';
    case 'proving':
      return 'The gateway waits to read what the device runs.';
    case 'withdrawn':
      return `It was not started and never will be: ${WITHDRAWN[text(facts.why)] ?? 'no reason was told'}.`;
    case 'ended':
      return ended(facts);
    case 'lost':
      return 'Nothing was heard of it until its deadline: it is lost, until its gateway says how it ended.';
    default:
      return `${kind}.`;
  }
}

function ended(facts: Facts): string {
  const size = typeof facts.sentBytes === 'number' ? ` after ${facts.sentBytes} bytes` : '';
  switch (facts.outcome) {
    case 'proven':
      return `Proven: it reads back ${runs(facts.after)}.`;
    case 'unproven':
      return `Unproven${size}: what it runs cannot be asked (${text(facts.reason) || 'no reason was told'}).`;
    case 'reverted':
      return `Reverted: it ran what it got, and now reads back ${runs(facts.after)}.`;
    case 'failed':
      return `Failed${size}: ${failure(facts)}`;
    case 'skipped':
      return `Skipped: ${text(facts.reason) || 'no reason was told'}.`;
    default:
      return `Ended as ${text(facts.outcome) || 'nothing that is known here'}${size}.`;
  }
}

function failure({ code, params }: Facts): string {
  const name = text(code);
  if (!isErrorCode(name)) return `${name || 'no code was told'}.`;
  return `${name}: ${errorSentence(name, paramsOf(params))}`;
}

function paramsOf(params: unknown): ErrorParams {
  if (typeof params !== 'object' || params === null) return {};
  const known = Object.entries(params).filter(([, value]) => /^(?:string|number|boolean)$/.test(typeof value));
  return Object.fromEntries(known) as ErrorParams;
}

function runs(images: unknown): string {
  if (!Array.isArray(images) || images.length === 0) return 'nothing that it named';
  return images
    .slice(0, 8)
    .map((image: unknown) => {
      const { version, hash } = (typeof image === 'object' && image !== null ? image : {}) as Facts;
      return text(version) || (text(hash) === '' ? '?' : `${text(hash).slice(0, 12)}…`);
    })
    .join(' + ');
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
