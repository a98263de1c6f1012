import { describe, expect, it } from '@jest/globals';
import { isSameBoard } from './board.js';

describe('board names', () => {
  it.each([
    ['nrf5340dk', 'nrf5340dk', true],
    ['nrf5340dk', 'nrf5340dk@2.0.0', true],
    ['nrf5340dk_nrf5340_cpuapp', 'nrf5340dk', true],
    ['nrf5340dk_nrf5340_cpunet', 'nrf5340dk_nrf5340_cpuapp_ns', true],
    ['nrf5340dk/nrf5340/cpuapp', 'nrf5340dk_nrf5340_cpuapp', true],
    ['bl5340_dvk_cpuapp', 'bl5340_dvk/nrf5340/cpuapp', true],
    ['mimxrt1050_evk_qspi', 'mimxrt1050_evk/mimxrt1052/qspi', true],
    ['nrf52840dk', 'NRF52840DK', true],
    ['nrf52840dk', 'nrf52dk', false],
    ['nrf52840dk_nrf52840', 'nrf52840dk_nrf52811', false],
    ['nrf52840dk', 'nrf52840dongle', false],
    ['adafruit_feather_nrf52840', 'adafruit_itsybitsy_nrf52840', false],
    ['dk_nrf5340', 'nrf5340', false],
    ['', 'nrf52840dk', false],
    ['@1.0.0', '@1.0.0', false],
  ])('%s and %s: %s', (one, other, same) => {
    expect(isSameBoard(one, other)).toBe(same);
    expect(isSameBoard(other, one)).toBe(same);
  });
});
