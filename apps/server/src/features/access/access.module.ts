import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccessController } from './access.controller.js';
import { AccessGuard } from './access.guard.js';
import { AccessService } from './access.service.js';
import { SignIn } from './sign-in.js';

@Module({
  controllers: [AccessController],
  providers: [AccessService, SignIn, { provide: APP_GUARD, useClass: AccessGuard }],
  exports: [SignIn],
})
export class AccessModule {}
