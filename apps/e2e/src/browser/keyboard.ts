/** Somebody without a mouse: walks by Tab, sees where the focus lies, and hears what the accessibility tree says. */
import type { Locator, Page } from 'playwright-core';

/** What bears the focus. */
export interface Focused {
  /** `aria-label`, or its text. */
  readonly name: string;
  readonly tag: string;
  /** Something is drawn around it, it lies in the window, and nothing lies over it. */
  readonly visible: boolean;
}

const LOOK = `(() => {
  const element = document.activeElement;
  if (!element || element === document.body) return { name: '', tag: 'body', visible: false };
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const over = document.elementFromPoint(x, y);
  return {
    name: (element.getAttribute('aria-label') ?? element.textContent ?? '').replace(/\\s+/g, ' ').trim(),
    tag: element.tagName.toLowerCase(),
    visible: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 && over !== null && element.contains(over),
  };
})()`;

export async function focused(page: Page): Promise<Focused> {
  return (await page.evaluate(LOOK)) as Focused;
}

/**
 * Presses Tab until the focus lies on what is called so. Wherever it lies on the way, it can be seen.
 * @throws Error that lists where the focus came by, when it is not reached or was hidden.
 */
export async function tabTo(page: Page, name: RegExp, most = 80): Promise<Focused> {
  const way: string[] = [];
  for (let presses = 0; presses < most; presses++) {
    await page.keyboard.press('Tab');
    const at = await focused(page);
    way.push(`${at.tag} ${at.name.slice(0, 40)}`);
    if (!name.test(at.name)) continue;
    if (!at.visible) throw new Error(`The focus on ${at.name} cannot be seen.`);
    return at;
  }
  throw new Error(`${String(name)} is not reached by ${most} times Tab: ${way.join(' · ')}`);
}

/**
 * What somebody hears who does not see it: the accessibility tree as text. Numbers, times and durations that differ from
 * one run to the next are written as N, HH:MM:SS and T.
 */
export async function transcript(part: Locator): Promise<string> {
  return (await part.ariaSnapshot())
    .replace(/\d\d:\d\d:\d\d/g, 'HH:MM:SS')
    .replace(/\d\d:\d\d/g, 'HH:MM')
    .replace(/\b\d+(?:\.\d)? (?:ms|s|min|h|d)\b(?: \d+ (?:s|min|h)\b)?/g, 'T')
    .replace(/[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/g, 'ID');
}
