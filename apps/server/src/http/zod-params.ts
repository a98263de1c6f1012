/** Checks what comes in with the schemas of `contracts`, and tells OpenAPI about them. No DTO classes. */
import { Body, Param, Query, type PipeTransform } from '@nestjs/common';
import { ApiBody, ApiParam, ApiQuery, ApiResponse } from '@nestjs/swagger';
import * as contracts from '@drydock/contracts';
import { z } from 'zod';
import { SCHEMA_NAME } from './named-schemas.js';
import { ProblemError } from './problem-error.js';

/** Most wrong places that one answer lists. */
const MAX_ERRORS = 50;

/** Parses with a schema; every wrong place is listed in the problem. */
export class ZodPipe<T extends z.ZodType> implements PipeTransform<unknown, z.output<T>> {
  constructor(
    private readonly schema: T,
    private readonly part: 'body' | 'query' | 'path',
  ) {}

  transform(value: unknown): z.output<T> {
    const parsed = this.schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const errors = parsed.error.issues.slice(0, MAX_ERRORS).map((issue) => ({
      path: [this.part, ...issue.path.map(String)].join('.'),
      message: issue.message,
    }));
    const first = errors[0]!;
    const more = parsed.error.issues.length - 1;
    const detail = `${first.path}: ${first.message}${more > 0 ? `, and ${more} more` : ''}`;
    throw new ProblemError('request.invalid', { detail }, errors, { status: this.part === 'path' ? 404 : 422 });
  }
}

type OpenApiSchema = Record<string, unknown>;

/** Every schema that `contracts` exports, with its name there. */
const NAMES: ReadonlyMap<unknown, string> = new Map(
  Object.entries(contracts).flatMap(([name, value]) => (value instanceof z.ZodType ? [[value, name] as const] : [])),
);

/**
 * JSON Schema of a contracts schema, as OpenAPI 3.1 takes it. What has a name in `contracts` carries it as
 * {@link SCHEMA_NAME}, at any depth, so that the whole document can define it once.
 */
export function openApiSchema(schema: z.ZodType, io: 'input' | 'output'): OpenApiSchema {
  const json = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const name = NAMES.get(zodSchema);
      if (name !== undefined) (jsonSchema as OpenApiSchema)[SCHEMA_NAME] = name;
      // Answers grow: a client that refuses what it does not know would break with the next version.
      if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  }) as OpenApiSchema;
  delete json.$schema;
  return json;
}

function decorateMethod(decorator: MethodDecorator, target: object, key: string | symbol | undefined): void {
  if (key === undefined) throw new Error('Only for parameters of methods.');
  decorator(target, key, Object.getOwnPropertyDescriptor(target, key)!);
}

/**
 * A contracts name is a type and a schema at once, and some compilers hand the schema out as the parameter's class,
 * which the OpenAPI explorer then cannot read.
 */
function hideClass(target: object, key: string | symbol | undefined, index: number): void {
  if (key === undefined) return;
  const types = Reflect.getMetadata('design:paramtypes', target, key) as unknown[] | undefined;
  if (!types) return;
  Reflect.defineMetadata(
    'design:paramtypes',
    types.map((type, at) => (at === index ? Object : type)),
    target,
    key,
  );
}

/** The JSON body, parsed: `@ZodBody(CreatePerson) body: CreatePerson`. */
export function ZodBody(schema: z.ZodType): ParameterDecorator {
  return (target, key, index) => {
    hideClass(target, key, index);
    Body(new ZodPipe(schema, 'body'))(target, key, index);
    // A body that may be left out has a default.
    const required = !schema.safeParse(undefined).success;
    decorateMethod(ApiBody({ schema: openApiSchema(schema, 'input'), required }), target, key);
  };
}

/** The whole query, parsed: `@ZodQuery(PageQuery) query: PageQuery`. Numbers in schemas must coerce. */
export function ZodQuery(schema: z.ZodObject): ParameterDecorator {
  return (target, key, index) => {
    hideClass(target, key, index);
    Query(new ZodPipe(schema, 'query'))(target, key, index);
    const json = openApiSchema(schema, 'input') as { properties?: Record<string, OpenApiSchema>; required?: string[] };
    for (const [name, property] of Object.entries(json.properties ?? {})) {
      const required = json.required?.includes(name) ?? false;
      decorateMethod(ApiQuery({ name, required, schema: property }), target, key);
    }
  };
}

/** One part of the path; a malformed one is a 404: there is no such thing. Ids are UUIDs unless said. */
export function ZodParam(name: string, schema: z.ZodType = z.uuid()): ParameterDecorator {
  return (target, key, index) => {
    hideClass(target, key, index);
    Param(name, new ZodPipe(schema, 'path'))(target, key, index);
    decorateMethod(ApiParam({ name, schema: openApiSchema(schema, 'input') }), target, key);
  };
}

/** A number of a list, as it stands in a path; what no column could hold is no number of anything. */
export const PathNumber = z.coerce.number<string>().int().min(0).max(2_147_483_647);

/** What a route answers, for OpenAPI. */
export function ZodResponse(
  schema: z.ZodType,
  options: { status?: number; description?: string } = {},
): MethodDecorator {
  return ApiResponse({
    status: options.status ?? 200,
    description: options.description ?? '',
    schema: openApiSchema(schema, 'output'),
  });
}
