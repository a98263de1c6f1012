/**
 * How fast a Secure DFU update runs over Bluetooth, against the floor of the link.
 *
 * Real: session, driver, link, noble. Simulated: the controller, which keeps the air's pace in real time (15 ms
 * interval, ATT_MTU 247, link packets of 251 bytes, 2M PHY), and the unit.
 */
import { BleAdapter, PayloadStore, realClock, SessionDriver, NO_FENCES } from '@drydock/agent';
