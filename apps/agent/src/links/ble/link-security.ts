/**
 * Secures the links of one adapter: which device an address belongs to, what its link has to be, and who may pair.
 *
 * The agent pairs by itself only where the site says so beforehand: a pairing changes the device, and whoever answers
 * one without a passkey may be anybody.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part C, 10.3 (security modes), 10.7 (privacy); Part H, 2.3.6 (repeated attempts).
 */
import { LinkError } from '@drydock/dfu-core';
import type { BondStore } from './bond-store.js';
import type { ConnectionSecurity } from './connection-security.js';
import { decodeAddress, encodeAddress } from './hci-wire.js';
import { type Bond, describeBond } from './pairing/bond.js';
import type { PairingResult, PairingWish } from './pairing/pair.js';
import { pairingFailed } from './pairing/pairing-errors.js';
import { type PairingPerson, personWith } from './pairing/person.js';
import { isPrivate, isResolvable, resolves } from './pairing/private-addresses.js';
import { isAtLeast, levelOf, type SecuredLink, type SecurityPolicy } from './security-policy.js';
import type { TappedConnection } from './tapped-connection.js';

/** The device behind an address on the air. */
export interface KnownDevice {
  readonly address: string;
  readonly addressType: 'public' | 'random' | undefined;
}

/** A device that was paired: the address to name it by from now on, and what the bond is worth. */
export interface PairedDevice {
  readonly address: string;
  readonly bond: Bond;
}

/**
 * A passkey that is used again and again tells somebody in between one of its twenty bits at every attempt, so an agent
 * that nobody watches soon stops.
 */
const MAX_UNATTENDED_FAILURES = 3;
/** Addresses of passers-by are not remembered without end. */
const MAX_RESOLVED = 2048;

export class LinkSecurity {
  #identities: readonly (KnownDevice & { readonly irk: Uint8Array })[] = [];
  /** By address on the air; undefined: nobody we know. */
  readonly #resolved = new Map<string, KnownDevice | undefined>();

  constructor(
    private readonly channel: ConnectionSecurity,
    private readonly bonds: BondStore | undefined,
    private readonly log: (message: string) => void,
  ) {}

  /** Reads again whose private addresses are known: somebody may have paired meanwhile. */
  async refresh(): Promise<void> {
    const devices = (await this.bonds?.all()) ?? [];
    this.#identities = devices.flatMap(({ address, addressType, irk }) => (irk ? [{ address, addressType, irk }] : []));
    this.#resolved.clear();
  }

  /** @param address on the air, lower case. @returns the device that made it; undefined when no bond tells. */
  deviceOf(address: string): KnownDevice | undefined {
    if (this.#identities.length === 0) return undefined;
    const bytes = encodeAddress(address);
    if (!isResolvable(bytes)) return undefined;
    if (this.#resolved.has(address)) return this.#resolved.get(address);
    const found = this.#identities.find(({ irk }) => resolves(irk, bytes));
    const device = found && { address: found.address, addressType: found.addressType };
    if (this.#resolved.size >= MAX_RESOLVED) this.#resolved.clear();
    this.#resolved.set(address, device);
    return device;
  }

  /**
   * Brings a new connection to the level that the site asks for, and as far as there is a bond beyond that.
   * @param device address of the identity.
   * @param withinMs for a pairing, where one is made.
   * @throws LinkError `link.security-level`, `link.bond-lost`, those of `pair`, `link.timeout`, `link.lost`.
   */
  async secure(
    connection: TappedConnection,
    device: string,
    policy: SecurityPolicy,
    withinMs?: number,
  ): Promise<SecuredLink> {
    const bond = await this.bonds?.get(device);
    if (!isAtLeast(levelOf(bond), policy.level)) {
      if (policy.pairing === 'when-needed' && this.bonds)
        return this.#pairUnattended(connection, device, policy, withinMs);
      throw new LinkError('link.security-level', {
        expected: policy.level,
        actual: levelOf(bond),
        detail: bond ? `its bond is ${describeBond(bond)}` : 'this gateway has no bond with the device',
      });
    }
    if (!bond) return { level: 'unencrypted', bondLost: false };
    try {
      await this.channel.encrypt(connection, bond);
      return { level: levelOf(bond), bondLost: false };
    } catch (error) {
      if (!(error instanceof LinkError) || error.code !== 'link.bond-lost' || connection.isOver) throw error;
      if (policy.pairing !== 'by-hand') {
        this.log(`${device}: ${error.message} The site allows to pair again.`);
        return this.#pairUnattended(connection, device, policy, withinMs);
      }
      if (policy.level !== 'unencrypted') throw error;
      // What needs no encryption still works; what does is refused by the device, in its words.
      this.log(`${device}: ${error.message}`);
      return { level: 'unencrypted', bondLost: true };
    }
  }

  /**
   * Pairs, and keeps the bond.
   * @param device address of the identity, or on the air where that is all there is.
   * @throws LinkError `link.pairing-failed`, `link.passkey-required`, `link.security-level`, `link.downgrade`,
   *   `link.timeout`, `link.lost`; DrydockError of the person.
   */
  async pair(
    connection: TappedConnection,
    device: string,
    { minimum, person }: Pick<PairingWish, 'minimum' | 'person'>,
    withinMs?: number,
  ): Promise<PairedDevice> {
    const { bonds } = this;
    if (!bonds) throw pairingFailed('this agent keeps no bonds: it has no folder for them');
    const { pauseMs } = await bonds.pairingPause(device);
    if (pauseMs > 0) {
      throw pairingFailed(`an attempt failed just now; the next one may be made in ${Math.ceil(pauseMs / 1000)} s`);
    }
    const known = await bonds.get(device);
    let result: PairingResult;
    try {
      result = await this.channel.pair(connection, { minimum, known, person }, withinMs);
    } catch (error) {
      // A link that was lost says nothing, unless somebody learned a bit of the passkey by it.
      const isLink = error instanceof LinkError && (error.code === 'link.lost' || error.code === 'link.timeout');
      if (person || !isLink) await bonds.pairingFailed(device);
      throw error;
    }
    return this.#keep(bonds, connection, device, result);
  }

  async #pairUnattended(
    connection: TappedConnection,
    device: string,
    { level, passkey }: SecurityPolicy,
    withinMs: number | undefined,
  ): Promise<SecuredLink> {
    const failures = (await this.bonds?.pairingPause(device))?.failures ?? 0;
    if (failures >= MAX_UNATTENDED_FAILURES) {
      throw pairingFailed(`${failures} attempts in a row failed, so a person has to see to it`);
    }
    const minimum = level === 'authenticated' ? 'authenticated' : 'encrypted';
    const person: PairingPerson | undefined = passkey && personWith(passkey);
    const { bond } = await this.pair(connection, device, { minimum, person }, withinMs);
    this.log(`${device}: paired, ${describeBond(bond)}`);
    return { level: levelOf(bond), bondLost: false };
  }

  async #keep(
    bonds: BondStore,
    connection: TappedConnection,
    device: string,
    { bond, identity }: PairingResult,
  ): Promise<PairedDevice> {
    const onAir = encodeAddress(connection.address);
    const changes = connection.addressIsRandom && isPrivate(onAir);
    let address = connection.address;
    let isRandom = connection.addressIsRandom;
    if (changes) {
      if (!identity) throw pairingFailed('the device changes its address and gave no key to know it by');
      address = decodeAddress(identity.address);
      isRandom = identity.isRandom;
      if (isResolvable(onAir) && !resolves(identity.irk, onAir)) {
        throw pairingFailed('the identity that the device gives is not that of its address');
      }
      if (device !== connection.address && device !== address) {
        throw pairingFailed(`the device is known as ${device} and now says to be ${address}`);
      }
      // Whoever answers may say to be anybody: a bond that was not part of this pairing is not replaced by it.
      if (device !== address && (await bonds.get(address))) {
        throw pairingFailed(`the device says to be ${address}, which is bonded: forget that bond first`);
      }
    }
    const irk = identity?.irk.some((byte) => byte !== 0) === true ? identity.irk : undefined;
    const kept: Bond = { ...bond, addressType: isRandom ? 'random' : 'public', ...(irk && { irk }) };
    await bonds.set(address, kept);
    await this.refresh();
    return { address, bond: kept };
  }
}
