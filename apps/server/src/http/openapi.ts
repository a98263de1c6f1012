/** `/api/docs` and `/api/openapi.json`, made from the schemas of `contracts`. */
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { Problem } from '@drydock/contracts';
import { openApiSchema } from './zod-params.js';

/** The OpenAPI document of all routes. */
export function makeOpenApi(app: NestExpressApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Drydock')
    .setDescription(
      'Firmware updates for devices behind gateways. Errors are problem details (RFC 9457) with a stable `code`; lists are ' +
        'paged by keyset (`after`); changes name the revision they saw in `If-Match`; POST takes an `Idempotency-Key`.',
    )
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'A personal API token, `dd_…`.' })
    .addSecurityRequirements('bearer')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}.${method}`,
  });
  const schema = openApiSchema(Problem, 'output');
  document.components = { ...document.components };
  document.components.schemas = { ...document.components.schemas, Problem: schema };
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path) as { responses?: Record<string, unknown> }[]) {
      if (!operation || typeof operation !== 'object' || !('responses' in operation)) continue;
      operation.responses = {
        ...operation.responses,
        default: {
          description: 'What went wrong.',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      };
    }
  }
  return document;
}

/** Serves the document and its page. The page needs no sign-in: it describes, and shows nothing of the fleet. */
export function serveOpenApi(app: NestExpressApplication): void {
  let document: OpenAPIObject | undefined;
  SwaggerModule.setup('api/docs', app, () => (document ??= makeOpenApi(app)), {
    jsonDocumentUrl: 'api/openapi.json',
    yamlDocumentUrl: 'api/openapi.yaml',
    customSiteTitle: 'Drydock API',
  });
}
