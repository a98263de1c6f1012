import { Module } from '@nestjs/common';
import { AdvisoriesController, ExposureController } from './advisories.controller.js';
import { AdvisoriesService } from './advisories.service.js';
import { ExposureSampler } from './exposure-sampler.js';
import { ExposureService } from './exposure.service.js';

/** What is known to be unsafe, and who still runs it. */
@Module({
  controllers: [AdvisoriesController, ExposureController],
  providers: [AdvisoriesService, ExposureSampler, ExposureService],
  exports: [ExposureService],
})
export class AdvisoriesModule {}
