/** For the engine's model test: who hangs where. */
import type { TestGateway } from '../../fleet/fleet.fixture.js';
import type { ModelDevice } from './model-device.fixture.js';
import type { Card, Life } from './model-gateway.fixture.js';

export const GATEWAYS = ['north', 'south', 'east'] as const;
/** Which gateways see a device; the pair of the same group hangs elsewhere. */
export const SEEN_BY: Record<'a' | 'b', readonly number[][]> = {
  a: [[0], [0], [0, 1], [2]],
  b: [[1], [2], [1], [2]],
};
export const PAIRS = 4;

export interface Place {
  readonly name: string;
  readonly gateway: TestGateway;
  /** The first is the machine itself; more are copies of its card. */
  lives: Life[];
  retained: string | undefined;
  /** Copies of the card that were made in this run. */
  cards: Card[];
  devices: ModelDevice[];
}
