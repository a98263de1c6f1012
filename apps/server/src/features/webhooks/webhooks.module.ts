import { Module } from '@nestjs/common';
import { WebhookSender } from '../../adapters/webhook-sender/webhook-sender.js';
import { SETTINGS, type Settings } from '../../settings/settings.js';
import { WebhookDispatcher } from './webhook-dispatcher.js';
import { WebhooksController } from './webhooks.controller.js';
import { WebhooksService } from './webhooks.service.js';

/** What happened, told to other systems. */
@Module({
  controllers: [WebhooksController],
  providers: [
    WebhookDispatcher,
    WebhooksService,
    {
      provide: WebhookSender,
      useFactory: (settings: Settings) => new WebhookSender(settings.webhookAllow),
      inject: [SETTINGS],
    },
  ],
})
export class WebhooksModule {}
