import type { RequestWithId } from '../../../http/request-context.js';
import type { BrowserFacts } from './sessions.service.js';

/** What a browser's request says of where it comes from. */
export function browserOf(request: RequestWithId): BrowserFacts {
  return {
    ip: request.ip ?? '',
    requestId: request.requestId,
    userAgent: (request.header('user-agent') ?? '').replace(/\p{Cc}/gu, ' ').slice(0, 200),
  };
}
