import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccessController } from './access.controller.js';
import { AccessGuard } from './access.guard.js';
import { AccessService } from './access.service.js';
import { BrowserSignIn } from './sessions/browser-sign-in.service.js';
import { OidcController } from './sessions/oidc.controller.js';
import { OidcService } from './sessions/oidc.service.js';
import { PasswordsController } from './sessions/passwords.controller.js';
import { PasswordsService } from './sessions/passwords.service.js';
import { SameOrigin } from './sessions/same-origin.js';
import { SessionCookies } from './sessions/session-cookies.js';
import { SessionsService } from './sessions/sessions.service.js';
import { SignInController } from './sessions/sign-in.controller.js';
import { SignIn } from './sign-in.js';

@Module({
  controllers: [AccessController, SignInController, PasswordsController, OidcController],
  providers: [
    AccessService,
    SignIn,
    SessionCookies,
    SameOrigin,
    SessionsService,
    PasswordsService,
    BrowserSignIn,
    OidcService,
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [SignIn],
})
export class AccessModule {}
