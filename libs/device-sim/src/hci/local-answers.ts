/** Commands that a controller answers from what it is, whatever happens on the air. */
import type { CompleteOptions } from './controller-options.js';
import { encodeAddress, encodeCommandComplete, Opcode, Status } from './hci-wire.js';
import { lengthAndTime } from './link-parameters.js';

/** @returns the Command Complete event; undefined for any other command. */
export function answerLocally(opcode: number, options: CompleteOptions): Buffer | undefined {
  const { aclBytes, aclPackets, maxLinkPayloadBytes, phy2m } = options;
  const complete = (...parts: readonly Uint8Array[]): Buffer =>
    encodeCommandComplete(opcode, Buffer.concat([Buffer.from([Status.Success]), ...parts]));
  switch (opcode) {
    case Opcode.SetEventMask:
    case Opcode.WriteLeHostSupported:
    case Opcode.LeSetScanParameters:
    case Opcode.LeClearFilterList:
    case Opcode.LeSetDefaultPhy:
      return complete();
    case Opcode.ReadLeHostSupported:
      return complete(Buffer.from([1, 0]));
    case Opcode.ReadLocalVersion:
      // Bluetooth 5.2; company 0xffff is "none, for tests".
      return complete(Buffer.from([0x0b, 0, 0, 0x0b, 0xff, 0xff, 0, 0]));
    case Opcode.ReadLocalCommands:
      return complete(Buffer.alloc(64));
    case Opcode.ReadLocalFeatures:
      // LE supported, BR/EDR not supported
      return complete(Buffer.from([0, 0, 0, 0, 0x60, 0, 0, 0]));
    case Opcode.ReadBufferSize:
      return complete(Buffer.alloc(7));
    case Opcode.ReadBdAddr:
      return complete(encodeAddress(options.address));
    case Opcode.LeReadBufferSize:
      return complete(Buffer.from([aclBytes & 0xff, aclBytes >> 8, aclPackets]));
    case Opcode.LeReadLocalFeatures: {
      const bits = (maxLinkPayloadBytes > 27 ? 0x20 : 0) | (phy2m ? 0x100 : 0);
      return complete(Buffer.from([bits & 0xff, bits >> 8, 0, 0, 0, 0, 0, 0]));
    }
    case Opcode.LeReadFilterListSize:
      return complete(Buffer.from([8]));
    case Opcode.LeReadSupportedStates:
      return complete(Buffer.alloc(8, 0xff));
    case Opcode.LeReadMaximumDataLength: {
      const limits = lengthAndTime(maxLinkPayloadBytes);
      return complete(limits, limits);
    }
    default:
      return undefined;
  }
}
