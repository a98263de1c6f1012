/** Tags as people write them: one a line, `key` or `key:value`. */
import { Tags } from '@drydock/contracts';

export function tagsText(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map(([key, value]) => (value === '' ? key : `${key}:${value}`))
    .join('\n');
}

/** @returns the tags, and what is wrong with the text where it cannot be read. */
export function readTags(text: string): { tags: Tags; wrong?: string } {
  const tags: Record<string, string> = {};
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line === '') continue;
    const at = line.indexOf(':');
    const key = at < 0 ? line : line.slice(0, at).trim();
    if (!Tags.safeParse({ [key]: '' }).success) {
      return {
        tags: {},
        wrong: `“${key}” is no key: letters, digits and . _ / -, at most 63, beginning with a letter or digit.`,
      };
    }
    tags[key] = at < 0 ? '' : line.slice(at + 1).trim();
  }
  const read = Tags.safeParse(tags);
  return read.success
    ? { tags: read.data }
    : { tags: {}, wrong: read.error.issues[0]?.message ?? 'These are no tags.' };
}
