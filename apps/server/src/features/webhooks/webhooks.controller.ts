import { Controller, Delete, Get, HttpCode, Patch, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  PageQuery,
  pageOf,
  Webhook,
  WebhookCreate,
  WebhookDelivery,
  WebhookDeliveryDetail,
  WebhookDeliveryQuery,
  WebhookPatch,
  WebhookWithSecret,
} from '@drydock/contracts';
import { SecretAnswer } from '../../http/idempotency.js';
import { IfMatch } from '../../http/revision.js';
import { ZodBody, ZodParam, ZodQuery, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { WebhooksService } from './webhooks.service.js';

@ApiTags('webhooks')
@Controller('api/v1/webhooks')
export class WebhooksController {
  constructor(private readonly webhooks: WebhooksService) {}

  @Get()
  @Roles('admin')
  @ZodResponse(pageOf(Webhook))
  list(@CurrentActor() actor: Actor, @ZodQuery(PageQuery) query: PageQuery) {
    return this.webhooks.list(actor, query);
  }

  @Post()
  @Roles('admin')
  @SecretAnswer()
  @ZodResponse(WebhookWithSecret, { status: 201, description: 'The secret is shown this once.' })
  create(@CurrentActor() actor: Actor, @ZodBody(WebhookCreate) body: WebhookCreate) {
    return this.webhooks.create(actor, body);
  }

  @Get(':id')
  @Roles('admin')
  @ZodResponse(Webhook)
  get(@CurrentActor() actor: Actor, @ZodParam('id') id: string) {
    return this.webhooks.get(actor, id);
  }

  @Patch(':id')
  @Roles('admin')
  @ZodResponse(Webhook)
  patch(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(WebhookPatch) body: WebhookPatch,
  ) {
    return this.webhooks.patch(actor, id, expected, body);
  }

  @Delete(':id')
  @Roles('admin')
  @HttpCode(204)
  remove(@CurrentActor() actor: Actor, @ZodParam('id') id: string, @IfMatch() expected: number | undefined) {
    return this.webhooks.remove(actor, id, expected);
  }

  @Post(':id/secret')
  @Roles('admin')
  @HttpCode(200)
  @SecretAnswer()
  @ZodResponse(WebhookWithSecret, { description: 'The one before signs as well for a day.' })
  newSecret(@CurrentActor() actor: Actor, @ZodParam('id') id: string, @IfMatch() expected: number | undefined) {
    return this.webhooks.newSecret(actor, id, expected);
  }

  @Post(':id/ping')
  @Roles('admin')
  @HttpCode(200)
  @ZodResponse(WebhookDeliveryDetail, { description: 'What came of it, within 15 seconds.' })
  ping(@CurrentActor() actor: Actor, @ZodParam('id') id: string) {
    return this.webhooks.ping(actor, id);
  }

  @Get(':id/deliveries')
  @Roles('admin')
  @ZodResponse(pageOf(WebhookDelivery))
  deliveries(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(WebhookDeliveryQuery) query: WebhookDeliveryQuery,
  ) {
    return this.webhooks.deliveries(actor, id, query);
  }

  @Get(':id/deliveries/:delivery')
  @Roles('admin')
  @ZodResponse(WebhookDeliveryDetail)
  delivery(@CurrentActor() actor: Actor, @ZodParam('id') id: string, @ZodParam('delivery') delivery: string) {
    return this.webhooks.delivery(actor, id, delivery);
  }

  @Post(':id/deliveries/:delivery/redeliver')
  @Roles('admin')
  @HttpCode(202)
  @ZodResponse(WebhookDelivery, { status: 202 })
  redeliver(@CurrentActor() actor: Actor, @ZodParam('id') id: string, @ZodParam('delivery') delivery: string) {
    return this.webhooks.redeliver(actor, id, delivery);
  }
}
