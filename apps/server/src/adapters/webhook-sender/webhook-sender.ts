/** One signed POST to a webhook's URL: bounded in time and size, no redirect followed, no connection kept. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Webhook } from 'standardwebhooks';
import { AddressRefused, AllowedHosts, faultOfUrl, guardedLookup } from './address-guard.js';

/** Connecting, sending and the answer's beginning, together. */
const TIMEOUT_MS = 15_000;
/** What is kept of an answer. */
const KEPT_BYTES = 1_024;

export interface WebhookMessage {
  readonly url: string;
  readonly id: string;
  readonly body: string;
  /** All that are good now, newest first; each signs. */
  readonly secrets: readonly string[];
  readonly sentAt: Date;
}

export interface SendResult {
  /** `refused`: not sent, because the target is not allowed. */
  readonly outcome: 'delivered' | 'failed' | 'refused';
  readonly responseCode: number | null;
  readonly durationMs: number;
  readonly detail: string | null;
  readonly responseBody: string | null;
  /** The receiver asked to be left alone for so long. */
  readonly retryAfterMs?: number;
}

export class WebhookSender {
  private readonly allowed: AllowedHosts;

  /** @param allow hosts that may be private or without TLS, as in the setting. */
  constructor(
    allow: string,
    private readonly timeoutMs = TIMEOUT_MS,
  ) {
    this.allowed = new AllowedHosts(allow);
  }

  /** What a person is told when the URL is saved. */
  faultOf(url: string): string | undefined {
    return faultOfUrl(url, this.allowed);
  }

  /** Never rejects: what went wrong is in the result. */
  async send(message: WebhookMessage): Promise<SendResult> {
    const started = performance.now();
    const end = (result: Omit<SendResult, 'durationMs'>): SendResult => ({
      ...result,
      durationMs: Math.round(performance.now() - started),
    });
    // Looked at again: the list of allowed hosts may have changed since the URL was saved.
    const fault = this.faultOf(message.url);
    if (fault !== undefined) {
      return end({ outcome: 'refused', responseCode: null, detail: fault, responseBody: null });
    }
    try {
      const answer = await this.post(message);
      const detail = judge(answer.status, answer.location);
      return end({
        outcome: detail === null ? 'delivered' : 'failed',
        responseCode: answer.status,
        detail,
        responseBody: answer.body,
        ...(answer.retryAfterMs !== undefined && { retryAfterMs: answer.retryAfterMs }),
      });
    } catch (error) {
      const outcome = error instanceof AddressRefused ? 'refused' : 'failed';
      return end({ outcome, responseCode: null, detail: (error as Error).message.slice(0, 500), responseBody: null });
    }
  }

  private post(
    message: WebhookMessage,
  ): Promise<{ status: number; body: string; location?: string; retryAfterMs?: number }> {
    const url = new URL(message.url);
    const body = Buffer.from(message.body, 'utf8');
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const call = request(
        url,
        {
          method: 'POST',
          agent: false,
          lookup: guardedLookup(this.allowed.has(url)),
          headers: { ...signedHeaders(message), 'content-length': body.length, connection: 'close' },
        },
        (response) => {
          const chunks: Buffer[] = [];
          let kept = 0;
          const finish = () => {
            clearTimeout(timer);
            const { location, 'retry-after': retryAfter } = response.headers;
            const seconds = Number(retryAfter);
            resolve({
              status: response.statusCode ?? 0,
              body: Buffer.concat(chunks).subarray(0, KEPT_BYTES).toString('utf8').replaceAll('\0', '\ufffd'),
              ...(location !== undefined && { location }),
              ...(retryAfter !== undefined && Number.isFinite(seconds) && { retryAfterMs: seconds * 1000 }),
            });
          };
          response.on('data', (chunk: Buffer) => {
            chunks.push(chunk);
            kept += chunk.length;
            if (kept < KEPT_BYTES) return;
            // The rest is of no interest, however long it is.
            finish();
            call.destroy();
          });
          response.on('end', finish);
          response.on('error', reject);
        },
      );
      const timer = setTimeout(() => {
        call.destroy(new Error(`no answer within ${this.timeoutMs} ms`));
      }, this.timeoutMs);
      call.on('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      call.end(body);
    });
  }
}

/** Headers of the Standard Webhooks specification; one signature for each secret that is good. */
export function signedHeaders(message: Omit<WebhookMessage, 'url'>): Record<string, string> {
  const signatures = message.secrets.map((secret) =>
    new Webhook(secret).sign(message.id, message.sentAt, message.body),
  );
  return {
    'content-type': 'application/json',
    'user-agent': 'drydock-webhooks/1',
    'webhook-id': message.id,
    'webhook-timestamp': String(Math.floor(message.sentAt.getTime() / 1000)),
    'webhook-signature': signatures.join(' '),
  };
}

/** @returns null for a success. */
function judge(status: number, location: string | undefined): string | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400) {
    return `it answered with a redirect${location === undefined ? '' : ` to ${location.slice(0, 200)}`}, which is not followed`;
  }
  return `it answered ${status}`;
}
