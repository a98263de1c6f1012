import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Epoch, Grant } from '@drydock/contracts';
import { refOf } from '../journal/records.js';
import { openWorld, type World } from './gateway-world.fixture.js';

describe('attempts that the server has no word of (P3)', () => {
  async function restarted(prepare: (it: World) => Promise<unknown> = () => Promise.resolve()) {
    const it = await openWorld();
    it.tellTime();
    const { epoch } = it.journal;
    await prepare(it);
    await it.kill();
    it.revision = 0;
    return { it, epoch };
  }

  it('are withdrawn when the journal covers their epoch, once, and never start', async () => {
    const { it, epoch } = await restarted();
    await it.boot();
    it.tellTime();
    const unheard = it.grant(1);
    const entry = { ...refOf(unheard), epoch };
    await it.order([], [], [entry, entry]);
    await it.order([], [], [entry]);
    await it.order([unheard]);
    await it.advance(5000);
    expect(it.kinds(unheard)).toEqual(['withdrawn:never-arrived']);
    expect(it.touches(1)).toEqual([]);
    await it.kill();
    it.revision = 0;
    await it.boot();
    it.tellTime();
    await it.order([unheard], [], [entry]);
    await it.advance(5000);
    expect(it.kinds(unheard)).toEqual(['withdrawn:never-arrived']);
    expect(it.touches(1)).toEqual([]);
  });

  it('are no news when a report tells of them already, or will', async () => {
    const grants: Grant[] = [];
    const { it, epoch } = await restarted(async (it) => {
      grants.push(it.grant(1), it.grant(2), it.grant(3), it.grant(4, { links: ['serial:/dev/d3?baud=115200'] }));
      await it.order(grants);
      await it.order(
        grants.filter((_, index) => index !== 1),
        [{ ...refOf(grants[1]!), mode: 'safe-point' }],
      );
      await it.advance(8000);
      const late = it.grant(1);
      grants.push(late);
      await it.order([...grants, late]);
      await it.advance(1000);
    });
    await it.boot();
    const before = it.allReports.length;
    await it.order(
      [],
      [],
      grants.map((grant) => ({ ...refOf(grant), epoch })),
    );
    expect(it.allReports.slice(before)).toEqual([]);
  });

  it.each([
    ['lost', (dir: string) => rm(dir, { recursive: true })],
    [
      'damaged',
      async (dir: string) => {
        const path = join(dir, 'journal');
        const bytes = await readFile(path);
        bytes[bytes.indexOf('epoch') + 1]! ^= 0xff;
        await writeFile(path, bytes);
      },
    ],
  ])('are met with silence when the journal is %s, now and at later starts', async (found, harm) => {
    const { it, epoch } = await restarted((it) => it.order([it.grant(2)]));
    await harm(it.dir);
    const entry = { ...refOf(it.grant(1)), epoch };
    for (const state of [found === 'lost' ? 'new' : found, 'intact']) {
      await it.boot();
      expect(it.journal.found).toBe(state);
      const before = it.allReports.length;
      await it.order([], [], [entry]);
      expect(it.allReports.slice(before)).toEqual([]);
      await it.kill();
      it.revision = 0;
    }
  });

  it('are met with silence in an epoch that was never ours', async () => {
    const it = await openWorld();
    await it.order([], [], [{ ...refOf(it.grant(1)), epoch: randomBytes(16).toString('hex') as Epoch }]);
    expect(it.allReports).toEqual([]);
  });

  it('of the live epoch are superseded, unless the same order grants them or they run', async () => {
    const it = await openWorld();
    it.tellTime();
    const [unheard, running, granted] = [it.grant(1), it.grant(2), it.grant(3)];
    await it.order([running]);
    await it.advance(1000);
    const settle = [unheard, running, granted].map((grant) => ({ ...refOf(grant), epoch: it.journal.epoch }));
    await it.order([granted], [], settle);
    await it.order([granted, unheard]);
    await it.advance(20_000);
    expect(it.kinds(unheard)).toEqual(['withdrawn:never-arrived']);
    expect(it.allReports.find(({ kind }) => kind === 'withdrawn')).toMatchObject({ held: { reign: 0, revision: 2 } });
    expect([it.kinds(running).at(-1), it.kinds(granted).at(-1)]).toEqual(['ended:proven', 'ended:proven']);
    expect(it.touches(1)).toEqual([]);
  });
});
