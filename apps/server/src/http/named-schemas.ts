/**
 * Gives the schemas of an OpenAPI document their names: what has one is defined once under `components` and referred to,
 * so that a generated client has types a person knows from `contracts`.
 */
import { isDeepStrictEqual } from 'node:util';

/** Marks a schema with its name while the document is put together; never served. */
export const SCHEMA_NAME = 'x-drydock-schema';

type Node = Record<string, unknown>;

/**
 * Moves every marked schema of a document to `components.schemas`.
 *
 * What is asked for and what is answered may differ under one name (defaults, coerced numbers); the second form met is
 * then called `NameInput`, or by a number when that is taken, too.
 */
export function nameSchemas<T extends { components?: { schemas?: object } }>(document: T): T {
  const named = new Map<string, unknown>();
  const nameFor = (wanted: string, schema: unknown): string => {
    for (let turn = 0; ; turn++) {
      const name = turn === 0 ? wanted : turn === 1 ? `${wanted}Input` : `${wanted}${turn}`;
      const present = named.get(name);
      if (present === undefined) named.set(name, schema);
      if (present === undefined || isDeepStrictEqual(present, schema)) return name;
    }
  };
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    const { [SCHEMA_NAME]: mark, ...rest } = value as Node;
    const schema = Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, walk(part)]));
    if (typeof mark !== 'string') return schema;
    // A default belongs to the place, not to the schema.
    const { default: byDefault, ...named } = schema;
    const $ref = `#/components/schemas/${nameFor(mark, named)}`;
    return byDefault === undefined ? { $ref } : { $ref, default: byDefault };
  };
  const { components, ...rest } = document;
  // Answers first: theirs is the plain name.
  walk(responsesOf(rest));
  const whole = walk(rest) as T;
  return {
    ...whole,
    components: {
      ...(walk({ ...components, schemas: undefined }) as Node),
      schemas: Object.fromEntries([
        ...Object.entries((components?.schemas ?? {}) as Node),
        ...[...named].sort(([a], [b]) => (a < b ? -1 : 1)),
      ]),
    },
  };
}

/** Only the answers of a document, to be walked before the rest. */
function responsesOf(document: object): unknown {
  const paths = Object.values((document as { paths?: Node }).paths ?? {}) as Node[];
  return paths.flatMap((path) => Object.values(path).map((operation) => (operation as Node | undefined)?.responses));
}
