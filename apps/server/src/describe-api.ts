/** The OpenAPI document without a running server, for the generated client. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { Platform } from './adapters/platform.module.js';
import { AppModule } from './app.module.js';
import { makeOpenApi } from './http/openapi.js';

/** In Nest's preview mode nothing is constructed and nothing is connected, so the platform may be empty. */
export async function describeApi(): Promise<OpenAPIObject> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule.of({} as Platform), {
    preview: true,
    logger: false,
  });
  return makeOpenApi(app);
}
