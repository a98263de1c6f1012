import { describe, expect, it } from '@jest/globals';
import { MAX_ORDER_BYTES, OrdersBody, type Grant } from '@drydock/contracts';
import { composeOrder, type LiveAtGateway } from './compose-order.js';

const NOW = 1_795_000_000_000;
const EPOCH = '00112233445566778899aabbccddeeff';
const EARLIER = 'ffeeddccbbaa99887766554433221100';
const SHA = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

const id = (n: number) => `6f1c2f0e-8c53-4a7e-9d0a-${String(n).padStart(12, '0')}`;

function live(n: number, changes: Partial<LiveAtGateway> & { startBy?: number } = {}): LiveAtGateway {
  const { startBy, ...rest } = changes;
  const grant = {
    deployment: id(n),
    reign: 0,
    attempt: 1,
    mode: 'update',
    device: id(1000 + n),
    model: 'SENSOR-A',
    identity: { kind: 'serial-number', value: `S${n}` },
    links: ['serial:/dev/ttyUSB0'],
    protocol: 'smp',
    artifact: { sha256: SHA, sizeBytes: 1000, format: 'mcuboot' },
    expect: { versionProves: true },
    confirm: 'after-proof',
    allowDowngrade: false,
    startBy: startBy ?? NOW + 60_000,
    finishBy: NOW + 600_000,
    timeouts: { downloadMs: 1000, transferMs: 1000, activateMs: 1000, proveMs: 1000 },
  } as unknown as Grant;
  return { grant, epoch: EPOCH, touched: false, heardOf: false, granting: true, cancel: null, ...rest };
}

const gateway = { epoch: EPOCH, usable: true };
const named = (list: readonly { deployment: string }[]) => list.map((item) => item.deployment);

describe('composing an order', () => {
  it('grants what may start, and asks for nothing that it grants', () => {
    const order = composeOrder(gateway, [live(1), live(2)], [], NOW);
    expect(named(order.grants)).toEqual([id(1), id(2)]);
    expect(order.settle).toEqual([]);
  });

  it.each([
    ['of an earlier epoch', live(1, { epoch: EARLIER }), EARLIER],
    ['of a paused campaign', live(1, { granting: false }), EPOCH],
    ['past its startBy', live(1, { startBy: NOW }), EPOCH],
    ['being cancelled', live(1, { cancel: 'before-start' }), EPOCH],
  ])('asks the gateway to settle an attempt %s, whose grant may never have arrived (P3)', (_, item, epoch) => {
    const order = composeOrder(gateway, [item], [], NOW);
    expect(order.grants).toEqual([]);
    expect(order.settle).toEqual([{ deployment: id(1), reign: 0, attempt: 1, epoch }]);
  });

  it('never asks to settle what is known to have started', () => {
    const order = composeOrder(gateway, [live(1, { touched: true, epoch: EARLIER })], [], NOW);
    expect(order.settle).toEqual([]);
  });

  it('never asks about a grant whose order its epoch held: a copy of the card would vouch wrongly (P3)', () => {
    const order = composeOrder(gateway, [live(1, { heardOf: true, epoch: EARLIER })], [], NOW);
    expect(order.settle).toEqual([]);
  });

  it('stays within the size of an order, and is an order still', () => {
    const many = Array.from({ length: 500 }, (_, n) => live(n));
    const order = composeOrder(gateway, many, [], NOW);
    const body = { reign: 0, revision: 1, issuedAtMs: NOW, ...order };
    expect(OrdersBody.safeParse(body).success).toBe(true);
    expect((JSON.stringify(body).length * 4) / 3).toBeLessThan(MAX_ORDER_BYTES);
    expect(order.grants.length).toBeGreaterThan(30);
  });
});
