import type { RunningImageFact } from '@drydock/contracts';
import { cutMiddle } from '../../format/numbers.js';

/** "6.1.2", "6.1.2 + 3.0 (image 1)": what a device says that it runs; hashes where it names no version. */
export function versionText(images: readonly RunningImageFact[]): string {
  if (images.length === 0) return '?';
  return images
    .map((image) => {
      const text = image.version ?? (image.hash === undefined ? '?' : cutMiddle(image.hash, 12, 0));
      return image.image === 0 ? text : `${text} (image ${image.image})`;
    })
    .join(' + ');
}
