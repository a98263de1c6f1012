/** `/api/docs` and `/api/openapi.json`, made from the schemas of `contracts`. */
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { CSRF_HEADER, Problem } from '@drydock/contracts';
import { ROLES_EXTENSION } from '../features/access/actor.js';
import { nameSchemas } from './named-schemas.js';
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
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer('/')
    .setOpenAPIVersion('3.1.0')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'A personal API token, `dd_…`.' })
    .addCookieAuth(
      'drydock-session',
      {
        type: 'apiKey',
        in: 'cookie',
        description:
          `The session of a browser (\`POST /api/v1/session\`), called \`__Host-drydock-session\` over TLS. Everything but GET ` +
          `then carries its CSRF token in \`${CSRF_HEADER}\`.`,
      },
      'session',
    )
    .addSecurityRequirements('bearer')
    .addSecurityRequirements('session')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}.${method}`,
  });
  const schema = openApiSchema(Problem, 'output');
  document.components = { ...document.components };
  document.components.schemas = { ...document.components.schemas, Problem: schema };
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path) as (Operation | undefined)[]) {
      if (operation?.responses !== undefined) describe(operation);
    }
  }
  return nameSchemas(document);
}

interface Operation {
  readonly operationId: string;
  readonly [ROLES_EXTENSION]?: readonly string[];
  summary?: string;
  description?: string;
  responses: Record<string, unknown>;
  security?: object[];
}

const PROBLEM = {
  description: 'What went wrong.',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** What every route says of itself: its name in words, who may call it, how it fails. */
function describe(operation: Operation): void {
  const [room = '', method = ''] = operation.operationId.split('.');
  operation.summary = `${spaced(room)}: ${spaced(method).toLowerCase()}`;
  const roles = operation[ROLES_EXTENSION];
  operation.description = roles
    ? `Who may call it: ${[...new Set([...roles, 'admin'])].join(', ')}.`
    : 'No personal token is asked for here.';
  if (!roles) operation.security = [];
  operation.responses = { ...operation.responses, '4XX': PROBLEM, '5XX': PROBLEM };
}

/** `approveStage` is "approve Stage". */
function spaced(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1 $2');
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
