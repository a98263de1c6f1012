/** Into DFU mode for somebody else's tool and back to Melody, in virtual time; the tool is an update that knows no settings. */
import { describe, expect, it } from '@jest/globals';
import {
  csrDfu,
  csrPayloads,
  describeArtifact,
  makeCsrDfu,
  type RawPortEntry,
  type RawPortLeave,
  type Session,
  type LinkInfo,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import { runInVirtualTime } from '../../links/virtual-run.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import { createCsrBc127Device, type CsrBc127Device } from './csr-bc127-device.js';
import type { CsrBc127Options } from './options.js';

const melody = (version: string): Uint8Array =>
  makeCsrDfu({ description: `Melody Audio V${version}`, program: new Uint8Array(3000).fill(version.length) });
const OLD = melody('7.1 1526925062');
const NEW = melody('7.3 1544637564');
const ACCESS = csrDfu.rawPort!;
const REQUEST: UpdateRequest = {
  artifact: describeArtifact(NEW),
  allowDowngrade: false,
  confirm: 'after-proof',
  versionProves: true,
  returnWithinMs: 30_000,
  linkOptions: { loader: 'simulated', variant: 'standard' },
};

interface Story {
  readonly device: CsrBc127Device;
  readonly sent: string[];
  run<T>(session: (link: LinkInfo) => Session<T>): T;
}

function open(options: Partial<CsrBc127Options>): Story {
  const scheduler = new VirtualScheduler();
  const application = csrPayloads(OLD).get('image:0')!;
  const device = createCsrBc127Device({ scheduler, application, ...options });
  const sent: string[] = [];
  const run = <T>(session: (link: LinkInfo) => Session<T>): T => {
    const result = runInVirtualTime(session, device, {
      scheduler,
      payloads: csrPayloads(NEW),
      model: { serial: { line: { baud: 9600 } } },
    });
    sent.push(...result.sends.map(({ bytes }) => Buffer.from(bytes).toString('latin1')));
    scheduler.advance(10_000);
    return result.outcome;
  };
  return { device, sent, run };
}

const enter = ({ run }: Story): RawPortEntry => run((link) => ACCESS.enter(link, REQUEST.linkOptions!));
const useTool = ({ run }: Story): void =>
  expect(run((link) => csrDfu.update(link, REQUEST))).toMatchObject({ outcome: 'proven' });
const leave = ({ run }: Story, way: RawPortLeave, before: RawPortEntry['found']): UpdateOutcome =>
  run((link) => way(link, REQUEST, before));

describe('a tool that takes the settings away', () => {
  const CHANGED = { settings: { NAME: 'Kitchen' }, licences: { APTX: '1 2 3 4 5' } };

  it('is followed by Drydock, which puts them back and says which', () => {
    const story = open(CHANGED);
    const entry = enter(story);
    expect(story.device.unit.personality).toBe('dfu-mode');
    useTool(story);
    expect(story.device.unit.settings.get('NAME')).toBe('BC127');
    expect(leave(story, entry.leave, entry.found)).toMatchObject({
      outcome: 'proven',
      needsRescue: false,
      after: { hardware: { settingsLost: 2, settingsRestored: 2, settingsDiffered: 'NAME, LICENSE APTX' } },
    });
    expect(story.device.unit.settings.get('NAME')).toBe('Kitchen');
    expect(story.device.unit.licences.get('APTX')).toBe('1 2 3 4 5');
  });

  it('and that the new firmware will not have again: the attempt says which', () => {
    const story = open({ settings: { NAME: 'Kitchen', AUTOCONN: '3' }, refusesSettings: ['NAME'] });
    const entry = enter(story);
    useTool(story);
    expect(leave(story, entry.leave, entry.found)).toMatchObject({
      outcome: 'failed',
      code: 'target.settings-lost',
      params: { count: 1, detail: 'NAME (0x0011)' },
      needsRescue: false,
      after: { hardware: { settingsLost: 2, settingsRestored: 1, settingsStillDifferent: 'NAME (0x0011)' } },
    });
    expect(story.device.unit.settings.get('AUTOCONN')).toBe('3');
  });

  it('shows no key in what is reported', () => {
    const story = open(CHANGED);
    const entry = enter(story);
    useTool(story);
    expect(JSON.stringify(leave(story, entry.leave, entry.found))).not.toMatch(/1 2 3 4 5|Kitchen/);
  });

  it('while the agent was started again: nothing is known of them, and that is said', () => {
    const story = open({ settings: { NAME: 'Kitchen' } });
    const { found } = enter(story);
    useTool(story);
    const outcome = leave(story, ACCESS.leave, found);
    expect(outcome).toMatchObject({ outcome: 'proven', after: { hardware: { settingsUnknownBefore: 1 } } });
    expect(story.sent.join('')).not.toContain('SET ');
  });
});

it('a tool that did nothing: the old version is the failure, and no setting is touched', () => {
  const story = open({ settings: { NAME: 'Kitchen' } });
  const entry = enter(story);
  expect(leave(story, entry.leave, entry.found)).toMatchObject({
    outcome: 'failed',
    code: 'target.wrong-image-runs',
    after: { hardware: { settingsLost: 0 } },
  });
  expect(story.sent.join('')).not.toContain('SET ');
});
