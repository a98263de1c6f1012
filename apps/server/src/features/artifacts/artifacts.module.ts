import { Module } from '@nestjs/common';
import { FleetModule } from '../fleet/fleet.module.js';
import { ArtifactDownload } from './artifact-download.js';
import { ArtifactsController } from './artifacts.controller.js';
import { ArtifactsService } from './artifacts.service.js';

/** Firmware files: taken in, checked, kept by their hash, handed out to those whose orders name them. */
@Module({
  imports: [FleetModule],
  controllers: [ArtifactsController],
  providers: [ArtifactDownload, ArtifactsService],
  exports: [ArtifactsService],
})
export class ArtifactsModule {}
