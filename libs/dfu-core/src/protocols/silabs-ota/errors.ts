/**
 * What a refusal over BLE means, and the sentence it deserves.
 *
 * Source: SiliconLabs/SimplicityConnect-android, ErrorCodes.kt (AppLoader); gecko_sdk 4.4.1, app_ota_dfu (application).
 */
import { DrydockError, TargetRefusedError } from '../../errors.js';
import { StartOverError } from '../silabs/talk.js';
import { ApplicationError, ENTRY_DENIED, LoaderError } from './messages.js';

export type Request = 'enter' | 'start' | 'data' | 'finish';

const REQUESTS: Readonly<Record<Request, string>> = {
  enter: 'reboot into the AppLoader',
  start: 'start of the OTA',
  data: 'image data',
  finish: 'end of the OTA',
};

interface Meaning {
  readonly sentence: string;
  readonly what: 'image' | 'start-over' | 'no-room' | 'refused';
}

const meaning = (what: Meaning['what'], sentence: string): Meaning => ({ what, sentence });

const LOADER: Readonly<Record<number, Meaning>> = {
  [LoaderError.Check]: meaning('image', 'CRC or signature do not hold: the file is for another key, or bytes got lost'),
  [LoaderError.NotStarted]: meaning('start-over', 'it says that the OTA was not started in this connection'),
  [LoaderError.NoBuffer]: meaning('start-over', 'data came faster than its flash takes it'),
  [LoaderError.TooLarge]: meaning('image', 'the image is too large for its flash, or overlaps the AppLoader'),
  [LoaderError.Parse]: meaning(
    'image',
    'it cannot read the file: not signed or encrypted as it demands, no GBL, or a partial update over another SDK',
  ),
  [LoaderError.Bootloader]: meaning('image', 'its bootloader cannot erase or write as the file asks'),
  [LoaderError.WrongBootloader]: meaning('refused', 'its bootloader is missing, or is one for UART'),
  [LoaderError.Overlap]: meaning('image', 'the application overlaps the AppLoader'),
};

const APPLICATION: Readonly<Record<number, Meaning>> = {
  [ApplicationError.Rejected]: meaning('refused', 'its application rejects the write'),
  [ApplicationError.NotReady]: meaning('start-over', 'its OTA component is not ready for data'),
  [ApplicationError.StorageFull]: meaning('no-room', 'the file is larger than its slot'),
  [ApplicationError.PackageLost]: meaning('start-over', 'its slot did not take the data'),
};

/** The ATT error in what the driver said of a failed write; undefined when it is no refusal of the target. */
export function attErrorOf(error: unknown): number | undefined {
  if (!(error instanceof DrydockError) || error.code !== 'target.refused') return undefined;
  const result = error.params['result'];
  const code = typeof result === 'string' ? Number(result) : result;
  return typeof code === 'number' && Number.isInteger(code) ? code : undefined;
}

/**
 * @param by who refused: an AppLoader, or the OTA component of an application.
 * @param hurried data was sent without response: bytes may have been lost, so CRC errors deserve a slower try.
 */
export function refusalError(
  att: number,
  request: Request,
  by: 'loader' | 'application',
  hurried: boolean,
): DrydockError {
  const result = `0x${att.toString(16).padStart(2, '0')}`;
  const name = REQUESTS[request];
  if (request === 'enter') {
    const detail = att === ENTRY_DENIED ? 'its application does not allow it now' : `ATT error ${result}`;
    return new TargetRefusedError(name, result, detail);
  }
  const found = (by === 'loader' ? LOADER : APPLICATION)[att];
  if (!found) return new TargetRefusedError(name, result, `ATT error ${result}`);
  const { what, sentence } = found;
  const lostBytes = hurried && by === 'loader' && (att === LoaderError.Check || att === LoaderError.Parse);
  if (what === 'start-over' || lostBytes) {
    return new StartOverError('target.refused', { request: name, result, detail: sentence });
  }
  if (what === 'no-room') return new DrydockError('target.no-memory', { detail: sentence, request: name, result });
  return new TargetRefusedError(name, result, sentence, what === 'image' ? 'target.refused-image' : 'target.refused');
}
