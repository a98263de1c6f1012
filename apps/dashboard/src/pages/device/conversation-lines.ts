/** Lines of a conversation in the order in which they are read, and as text. Pure. */
import type { ConversationLine } from '@drydock/contracts';
import { bytes } from '../../format/numbers.js';

/** More are in the API and the page behind "Older lines"; nobody reads them here. */
export const MOST_LINES = 1_000;

/** @param lines newest first, as the server gives them. @returns the newest thousand, oldest first. */
export function newestLast(lines: readonly ConversationLine[]): ConversationLine[] {
  return lines.slice(0, MOST_LINES).reverse();
}

/** For a ticket: times in UTC, one line each. */
export function conversationText(lines: readonly ConversationLine[]): string {
  return lines
    .map(({ at, saidAt, campaign, attempt, gateway, kind, sentence, disposition, note }) =>
      [
        saidAt ?? at,
        `${campaign.name}#${attempt}`,
        gateway.name || gateway.id,
        kind,
        `${sentence}${disposition === 'refused' ? ` (not accepted${note === null ? '' : `: ${note}`})` : ''}`,
      ].join('  '),
    )
    .join('\n');
}

/** " · 18.4 kB/s"; nothing where it is not known. */
export const withRate = (bytesPerSecond: number | null | undefined): string =>
  bytesPerSecond === null || bytesPerSecond === undefined ? '' : ` · ${bytes(Math.round(bytesPerSecond))}/s`;
