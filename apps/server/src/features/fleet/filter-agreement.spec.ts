/** A filter means the same in SQL and in code, and versions have one order: held together against a real database. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import semver from 'semver';
import { compareVersions, versionKey } from '../../domain/campaign/version-order.js';
import { isWithin, parseVersionRange } from '../../domain/campaign/version-range.js';
import type { Filter, FilterFacts } from '../../domain/filter/filter.js';
import { filterToSql } from '../../domain/filter/filter-sql.js';
import { filterOfSelector } from '../../domain/filter/from-selector.js';
import { matches } from '../../domain/filter/matches.js';
import { parseFilter } from '../../domain/filter/parse-filter.js';
import { DeviceFacts1700000000002 } from '../../migrations/0002-device-facts.js';
import { freshDatabase } from '../../testing.js';

const NOW = Date.parse('2026-03-01T12:00:00.250Z');
const HOUR_MS = 3_600_000;

let database: Awaited<ReturnType<typeof freshDatabase>>;
let client: pg.Client;
beforeAll(async () => {
  database = await freshDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
}, 60_000);
afterAll(async () => {
  await client?.end();
  await database?.drop();
});

const uuid = (kind: number, index: number): string =>
  `${String(kind).repeat(8)}-0000-4000-8000-${String(index).padStart(12, '0')}`;
const ORG = uuid(9, 1);
/** Names with the characters that LIKE, JSON and our own wildcards treat in their own way. */
const WORDS = ['a', 'ab', 'b', 'a%', 'a_b', 'axb', 'a*', 'A', 'a\\', 'ä', '"', '😀', ''];
const word = fc.constantFrom(...WORDS);
const SITES = ['a', 'ab', 'a%'].map((name, index) => ({ id: uuid(1, index), name }));
const GROUPS = ['a', 'B*', uuid(2, 0)].map((name, index) => ({ id: uuid(4, index), name }));
const GATEWAYS = ['a', 'a_b', uuid(1, 0)].map((name, index) => ({ id: uuid(2, index), name, site: index % 2 }));

const number = fc.constantFrom(0, 1, 2, 9, 10, 4_294_967_295, 9_999_999_999);
const identifier = fc.constantFrom('0', '1', '10', '9', '007', 'rc', 'alpha', 'alpha-1', 'RC', '-', 'a', '');
const version = fc
  .tuple(
    fc.constantFrom('', '', '', 'v', ' '),
    fc.array(number, { minLength: 1, maxLength: 5 }),
    fc.option(fc.array(identifier, { minLength: 1, maxLength: 3 }), { freq: 2 }),
    fc.option(fc.constantFrom('0', '4', '010', 'abc', '1.2'), { freq: 3 }),
  )
  .map(([v, numbers, pre, build]) => {
    return `${v}${numbers.join('.')}${pre ? `-${pre.join('.')}` : ''}${build === null ? '' : `+${build}`}`;
  });
const anyVersion = fc.oneof(
  { weight: 5, arbitrary: version },
  word,
  fc.constantFrom('main-4f2a', '1..2', '1.2.3-', '\t1'),
);

const link = fc.record(
  {
    link: fc.constantFrom('ble:AA', 'bleak:x', 'serial:/dev/x', 'udp:h:1'),
    rssiDbm: fc.integer({ min: -100, max: -40 }),
  },
  { requiredKeys: ['link'] },
);
const instant = fc.constantFrom(0, 1, -1, -HOUR_MS, -24 * HOUR_MS, -24 * HOUR_MS - 1).map((offset) => NOW + offset);
const device = fc.record({
  model: fc.option(word),
  name: fc.option(word),
  identityEnd: word,
  runningVersion: fc.option(anyVersion),
  tags: fc.dictionary(word, word, { maxKeys: 3 }),
  site: fc.constantFrom(...SITES),
  gateway: fc.option(fc.constantFrom(...GATEWAYS)),
  group: fc.option(fc.constantFrom(...GROUPS)),
  links: fc.array(link, { maxLength: 3 }),
  lastSeenMs: instant,
  batteryPercent: fc.option(fc.constantFrom(0, 20, 100)),
  held: fc.boolean(),
});

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;
const pattern = fc
  .array(fc.oneof(word, fc.constant('*'), fc.constant('\\*'), fc.constant('\\\\')), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join(''));
const order = fc.constantFrom('<', '<=', '>', '>=', '=lt=', '=le=', '=gt=', '=ge=');
const listOf = (value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof(
    fc.tuple(fc.constantFrom('==', '!='), value).map(([operator, text]) => operator + quoted(text)),
    fc
      .tuple(fc.constantFrom('=in=', '=out='), fc.array(value, { minLength: 1, maxLength: 3 }))
      .map(([operator, texts]) => `${operator}(${texts.map(quoted).join(',')})`),
  );
const ordered = (value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(order, value).map(([operator, text]) => operator + quoted(text));
const named = (field: string, rest: fc.Arbitrary<string>): fc.Arbitrary<string> => rest.map((text) => field + text);
const ids = (kind: number): fc.Arbitrary<string> => fc.integer({ min: 0, max: 3 }).map((index) => uuid(kind, index));
const range = fc
  .array(
    fc.tuple(
      fc.constantFrom('<', '<=', '>', '>=', '=', '^', '~'),
      fc.constantFrom('1', '1.2', '0.0.0-0', '1.10.9', '2.0.0-rc.1', '2.x', '*'),
    ),
    {
      minLength: 1,
      maxLength: 3,
    },
  )
  .chain((parts) =>
    fc.constantFrom(' ', ' || ').map((glue) => parts.map(([operator, text]) => operator + text).join(glue)),
  );
const comparison = fc.oneof(
  named('model', listOf(pattern)),
  named('name', listOf(pattern)),
  named(
    'identity',
    listOf(
      fc.oneof(
        pattern,
        pattern.map((text) => `*${text}`),
      ),
    ),
  ),
  named('version', listOf(fc.oneof(pattern, anyVersion))),
  named('version', ordered(version.filter((text) => versionKey(text) !== undefined))),
  range.map((text) => `version=range=${quoted(text)}`),
  named('site', listOf(fc.oneof(pattern, ids(1)))),
  named('gateway', listOf(fc.oneof(pattern, ids(2), ids(1)))),
  named('group', listOf(fc.oneof(pattern, ids(4), ids(2)))),
  named(
    'tag',
    listOf(
      fc
        .tuple(
          pattern.filter((text) => text !== ''),
          fc.option(pattern),
        )
        .map(([key, value]) => (value === null ? key : `${key}:${value}`)),
    ),
  ),
  named('link', listOf(fc.constantFrom('ble', 'serial', 'udp'))),
  named('device', listOf(ids(3))),
  named('hold', fc.constantFrom('==true', '!=true', '==false', '!=false')),
  named(
    'battery',
    fc.oneof(ordered(fc.constantFrom('0', '20', '20.5', '100')), listOf(fc.constantFrom('0', '20', '100'))),
  ),
  named('signal', fc.oneof(ordered(fc.constantFrom('-100', '-60.5', '-40')), listOf(fc.constantFrom('-60', '-50')))),
  named(
    'lastSeen',
    ordered(fc.constantFrom('PT0S', 'PT1H', 'PT24H', 'P1DT0.001S', '2026-03-01', '2026-03-01T12:00:00.250Z')),
  ),
);
const filterText: fc.Arbitrary<string> = fc.letrec<{ filter: string }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 2, arbitrary: comparison },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(';', ',', ' and ', ' or '), tie('filter'), tie('filter'))
        .map(([join, left, right]) => `(${left}${join}${right})`),
    },
  ),
})).filter;

async function store(devices: readonly FilterFacts[]): Promise<void> {
  await client.query(
    `insert into devices (id, org_id, site_id, gateway_id, model, name, identity_kind, identity_value, tags, links,
       running_version, last_seen_at, battery_percent, hold_note, redundancy_group_id)
     select (d->>'id')::uuid, $2, (d->'site'->>'id')::uuid, (d->'gateway'->>'id')::uuid, d->>'model', d->>'name', 'eui',
       d->>'identity', d->'tags', d->'links', d->>'runningVersion', to_timestamp((d->>'lastSeenMs')::float8 / 1000),
       (d->>'batteryPercent')::smallint, case when (d->>'held')::boolean then 'held' end, (d->'group'->>'id')::uuid
     from jsonb_array_elements($1::jsonb) d`,
    [JSON.stringify(devices), ORG],
  );
}

async function selected(filter: Filter): Promise<string[]> {
  const values: unknown[] = [ORG];
  const where = filterToSql(filter, { add: (value) => `$${values.push(value)}` }, NOW);
  const { rows } = await client.query<{ id: string }>(
    `select dev.id from devices dev where dev.org_id = $1 and ${where} order by dev.id`,
    values,
  );
  return rows.map(({ id }) => id);
}

describe('SQL and code', () => {
  beforeAll(async () => {
    await client.query(`insert into orgs (id, slug) values ($1, 'acme')`, [ORG]);
    for (const { id, name } of SITES) {
      await client.query('insert into sites (id, org_id, name) values ($1, $2, $3)', [id, ORG, name]);
    }
    for (const { id, name } of GROUPS) {
      await client.query('insert into redundancy_groups (id, org_id, name) values ($1, $2, $3)', [id, ORG, name]);
    }
    for (const { id, name, site } of GATEWAYS) {
      await client.query(
        `insert into gateways (id, org_id, site_id, name, public_jwk, key_fingerprint) values ($1, $2, $3, $4, '{}', 'x')`,
        [id, ORG, SITES[site]!.id, name],
      );
    }
  });

  it('select the same devices, for random filters over random devices', async () => {
    const fleet = fc.array(device, { minLength: 20, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(fleet, fc.array(filterText, { minLength: 40, maxLength: 60 }), async (rows, texts) => {
        await client.query('begin');
        try {
          const devices = rows.map((row, index) => ({
            ...row,
            id: uuid(3, index),
            identity: `${index}${row.identityEnd}`,
          }));
          await store(devices);
          for (const text of texts) {
            const parsed = parseFilter(text);
            if (!parsed.ok) throw new Error(`${text}: ${JSON.stringify(parsed.errors)}`);
            const expected = devices.filter((one) => matches(parsed.filter, one, NOW)).map(({ id }) => id);
            expect([text, await selected(parsed.filter)]).toEqual([text, expected]);
          }
        } finally {
          await client.query('rollback');
        }
      }),
      { numRuns: 20 },
    );
  }, 60_000);

  it('select the same devices for the selector of a campaign', async () => {
    const selector = fc.record(
      {
        models: fc.array(word, { maxLength: 3 }),
        tags: fc.dictionary(word, word, { maxKeys: 2 }),
        sites: fc.array(fc.oneof(word, ids(1)), { maxLength: 3 }),
        gateways: fc.array(fc.oneof(word, ids(2), ids(1)), { maxLength: 3 }),
        runningVersions: fc.array(anyVersion, { maxLength: 3 }),
        devices: fc.array(ids(3), { maxLength: 3 }),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(device, { minLength: 20, maxLength: 40 }),
        fc.array(selector, { minLength: 20 }),
        async (rows, selectors) => {
          await client.query('begin');
          try {
            const devices = rows.map((row, index) => ({
              ...row,
              id: uuid(3, index),
              identity: `${index}${row.identityEnd}`,
            }));
            await store(devices);
            for (const one of selectors) {
              const read = filterOfSelector(one);
              if (!read.ok) throw new Error(JSON.stringify(read.errors));
              const { filter } = read;
              const expected = devices.filter((facts) => matches(filter, facts, NOW)).map(({ id }) => id);
              expect([one, await selected(filter)]).toEqual([one, expected]);
            }
          } finally {
            await client.query('rollback');
          }
        },
      ),
      { numRuns: 10 },
    );
  }, 60_000);

  it('give a version the same key', async () => {
    const texts = fc.array(
      fc.oneof(
        anyVersion,
        fc.string().filter((text) => !text.includes('\0')),
      ),
      { maxLength: 200 },
    );
    await fc.assert(
      fc.asyncProperty(texts, async (versions) => {
        const { rows } = await client.query<{ key: string | null }>(
          `select drydock_version_key(v) as key from unnest($1::text[]) with ordinality as x(v, at) order by at`,
          [versions],
        );
        expect(rows.map(({ key }) => key)).toEqual(versions.map((text) => versionKey(text) ?? null));
      }),
      { numRuns: 50 },
    );
  });

  it('the migration goes back and forth', async () => {
    const migration = new DeviceFacts1700000000002();
    const runner = { query: (sql: string) => client.query(sql) } as unknown as Parameters<typeof migration.up>[0];
    const columns = async (): Promise<string[]> => {
      const { rows } = await client.query<{ column_name: string }>(
        `select column_name from information_schema.columns where table_name = 'devices' order by 1`,
      );
      return rows.map((row) => row.column_name);
    };
    const before = await columns();
    await client.query('begin');
    try {
      await migration.down(runner);
      const after = await columns();
      expect(before.filter((name) => !after.includes(name))).toEqual([
        'battery_at',
        'battery_percent',
        'running_version_key',
      ]);
      await client.query(
        `insert into devices (org_id, site_id, identity_kind, identity_value, running_version) values ($1, $2, 'eui', 'x', '1.2.3')`,
        [ORG, SITES[0]!.id],
      );
      await migration.up(runner);
      expect(await columns()).toEqual(before);
      const { rows } = await client.query('select running_version_key from devices');
      expect(rows).toEqual([{ running_version_key: '111213.' }]);
    } finally {
      await client.query('rollback');
    }
  });
});

/** The library refuses leading zeros, empty identifiers and numbers past 2^53; what it takes, it orders as we must. */
const semverText = version.filter((text) => semver.valid(text) !== null && !text.includes('+'));

describe('versions', () => {
  it('rank as Semantic Versioning says', () => {
    fc.assert(
      fc.property(semverText, semverText, (a, b) => {
        expect(Math.sign(compareVersions(a, b)!) + 0).toBe(semver.compare(a, b));
      }),
      { numRuns: 2000 },
    );
  });

  it('are within a range as the library says, pre-releases included', () => {
    fc.assert(
      fc.property(semverText, range, (text, wanted) => {
        const key = versionKey(text)!;
        const within = parseVersionRange(wanted)!.some((stretch) => isWithin(key, stretch));
        expect(within).toBe(semver.satisfies(text, wanted, { includePrerelease: true }));
      }),
      { numRuns: 4000 },
    );
  });

  it.each([
    ['1.2.3+4', '<=1.2.3', true],
    ['1.2.3.4', '1.2.3', true],
    ['1.0.0.4', '<1.0.1', true],
    ['1.2.4-rc.1', '<=1.2.3', false],
    ['1.2', '>=1.2 <2', true],
    ['2.0.0-rc.1', '<2', false],
    ['1.2.3.4', '>1.2.3', false],
  ])('%s within %s is %s', (text, wanted, expected) => {
    expect(parseVersionRange(wanted)!.some((stretch) => isWithin(versionKey(text)!, stretch))).toBe(expected);
  });

  it.each([
    ['1.2.3-rc.2', '1.2.3-rc.10'],
    ['1.2.3-rc.1+9', '1.2.3'],
    ['1.2.3', '1.2.3+1'],
    ['1.2.3.4', '1.2.3+5'],
    ['1.9', '1.10'],
    ['1.2-rc', '1.2'],
    ['1.2.3.4', '1.2.4-rc'],
  ])('%s is older than %s', (older, newer) => {
    expect(compareVersions(older, newer)).toBeLessThan(0);
    expect(compareVersions(newer, older)).toBeGreaterThan(0);
  });

  it.each([
    ['1.2', 'v1.2.0'],
    ['1.2.3+4', '1.2.3.4'],
    ['1.2.3+0', '1.2.3'],
    ['1.02.3', '1.2.3'],
  ])('%s is the same as %s', (a, b) => {
    expect(compareVersions(a, b)).toBe(0);
  });
});
