/** What every route shares. */
import { Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core';
import { FAILURE_LIMITER, FailureLimiter } from './failure-limiter.js';
import { IdempotencyInterceptor } from './idempotency.js';
import { ProblemFilter } from './problem-filter.js';
import { RevisionEtag } from './revision.js';

@Global()
@Module({
  providers: [
    { provide: APP_FILTER, useClass: ProblemFilter },
    { provide: APP_INTERCEPTOR, useClass: RevisionEtag },
    { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
    { provide: FAILURE_LIMITER, useFactory: () => new FailureLimiter() },
  ],
  exports: [FAILURE_LIMITER],
})
export class HttpModule {}
