import { Module } from '@nestjs/common';
import { DispatchModule } from '../dispatch/dispatch.module.js';
import { SystemController } from './system.controller.js';

/** The installation as a whole. */
@Module({ imports: [DispatchModule], controllers: [SystemController] })
export class SystemModule {}
