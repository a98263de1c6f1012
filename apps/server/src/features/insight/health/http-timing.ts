/** Measures every answer by route pattern. */
import { Inject, Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Observable } from 'rxjs';
import { Metrics } from './metrics.js';

@Injectable()
export class HttpTiming implements NestInterceptor {
  constructor(@Inject(Metrics) private readonly metrics: Metrics) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<Request>();
    const response = context.switchToHttp().getResponse<Response>();
    const started = process.hrtime.bigint();
    response.once('finish', () => {
      const seconds = Number(process.hrtime.bigint() - started) / 1e9;
      const route = (request.route as { path?: unknown } | undefined)?.path;
      this.metrics.httpSeconds.observe(
        {
          method: request.method,
          route: typeof route === 'string' ? route : 'other',
          status: `${Math.floor(response.statusCode / 100)}xx`,
        },
        seconds,
      );
    });
    return next.handle();
  }
}
