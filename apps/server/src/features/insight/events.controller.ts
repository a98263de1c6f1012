/** `GET /api/v1/events`: server-sent events (HTML Living Standard, section 9.2). */
import { Controller, Get, Headers, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { DataSource } from 'typeorm';
import { ProblemError } from '../../http/problem-error.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { isCredentialLive } from '../access/sign-in.js';
import { LiveEvents, type NumberedEvent } from './live-events.js';

const HEARTBEAT_MS = 15_000;
/** A watcher that reads more slowly than this is let go; it comes back with `Last-Event-ID`. */
const MAX_BUFFERED_BYTES = 256 * 1024;

@ApiTags('insight')
@Controller('api/v1/events')
export class EventsController {
  constructor(
    private readonly live: LiveEvents,
    private readonly source: DataSource,
  ) {}

  @Get()
  @Roles('viewer')
  events(
    @CurrentActor() actor: Actor,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): void {
    const after = lastEventId !== undefined && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : undefined;
    const open = { end: (): void => undefined };
    const send = (numbered: NumberedEvent): void => {
      if (response.writableLength > MAX_BUFFERED_BYTES) return open.end();
      response.write(`id: ${numbered.id}\nevent: ${numbered.event.type}\ndata: ${JSON.stringify(numbered.event)}\n\n`);
    };
    const pending: NumberedEvent[] = [];
    let started = false;
    const unwatch = this.live.watch(actor.orgId, after, {
      seen: (event) => (started ? send(event) : void pending.push(event)),
      pulse: (event) => {
        if (started && response.writableLength <= MAX_BUFFERED_BYTES) {
          response.write(`event: pulse\ndata: ${JSON.stringify(event)}\n\n`);
        }
      },
      end: () => open.end(),
    });
    if (!unwatch) throw new ProblemError('server.overloaded', { retryAfterMs: 5_000 });
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      Connection: 'keep-alive',
      'X-Accel-Buffering': 'no',
    });
    response.write('retry: 3000\n\n');
    started = true;
    for (const event of pending) send(event);
    const heartbeat = setInterval(() => {
      response.write(': still here\n\n');
      // A stream lives on after what opened it: what cannot be looked up is not trusted either.
      isCredentialLive(this.source, actor.credential).then(
        (isLive) => {
          if (!isLive) open.end();
        },
        () => open.end(),
      );
    }, HEARTBEAT_MS);
    open.end = () => {
      clearInterval(heartbeat);
      unwatch();
      response.end();
    };
    request.on('close', () => open.end());
  }
}
