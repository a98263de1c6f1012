import { Global, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { HealthController } from './health.controller.js';
import { HttpTiming } from './http-timing.js';
import { Metrics } from './metrics.js';

@Global()
@Module({
  controllers: [HealthController],
  providers: [Metrics, { provide: APP_INTERCEPTOR, useClass: HttpTiming }],
  exports: [Metrics],
})
export class HealthModule {}
