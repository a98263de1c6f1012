/**
 * Somebody at a browser: a window of a size and a colour scheme, signed in or not. What the page says against itself (errors,
 * refusals of the content policy) is kept, and every story asks for it.
 */
import { AxeBuilder } from '@axe-core/playwright';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';

export const DESKTOP = { width: 1280, height: 800 } as const;
export const PHONE = { width: 360, height: 740 } as const;
export type Scheme = 'light' | 'dark';

/** A part of the page that appears is awaited as long as a busy machine may take. */
const PATIENCE_MS = 30_000;

export interface VisitorOptions {
  readonly size?: { readonly width: number; readonly height: number };
  readonly scheme?: Scheme;
}

export class Visitor {
  private readonly complaints: string[] = [];
  private streams = 0;

  private constructor(
    readonly page: Page,
    private readonly context: BrowserContext,
    readonly baseUrl: string,
  ) {}

  static async open(browser: Browser, baseUrl: string, options: VisitorOptions = {}): Promise<Visitor> {
    const size = options.size ?? DESKTOP;
    const context = await browser.newContext({
      viewport: { ...size },
      colorScheme: options.scheme ?? 'light',
      reducedMotion: 'reduce',
      locale: 'en-GB',
      timezoneId: 'Europe/Berlin',
      hasTouch: size.width < 600,
      isMobile: size.width < 600,
    });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const visitor = new Visitor(page, context, baseUrl);
    context.on('request', (request) => {
      if (request.url() === `${baseUrl}/api/v1/events`) visitor.streams++;
    });
    page.on('pageerror', (error) => visitor.complaints.push(String(error)));
    page.on('console', (message) => {
      // A refused request is the page's to show, and some are refused on purpose.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) {
        visitor.complaints.push(message.text());
      }
    });
    return visitor;
  }

  async goto(path: string): Promise<void> {
    await this.page.goto(this.baseUrl + path);
  }

  /** Through the sign-in page, as a person would. */
  async signIn(token: string, path = '/'): Promise<void> {
    await this.goto(path);
    await this.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    const other = this.page.getByRole('button', { name: 'Use an API token' });
    if ((await this.page.getByLabel('API token').count()) === 0) await other.click();
    await this.page.getByLabel('API token').fill(token);
    await this.page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await this.page.getByRole('navigation', { name: 'Pages' }).waitFor();
  }

  async scheme(scheme: Scheme): Promise<void> {
    await this.page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
  }

  /** The main heading, which says which page is shown. */
  async onPage(title: string): Promise<void> {
    await this.page.getByRole('heading', { level: 1, name: title }).waitFor();
  }

  /**
   * What axe finds against WCAG 2.2 AA on the page as it is, in both colour schemes; empty is good.
   * @returns one line each: scheme, rule, what it is about.
   */
  async accessibilityFaults(): Promise<string[]> {
    const faults: string[] = [];
    for (const scheme of ['light', 'dark'] as const) {
      await this.scheme(scheme);
      const axe = new AxeBuilder({ page: this.page });
      // Between the schemes nothing differs but the colours.
      if (scheme === 'light') axe.withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']);
      else axe.withRules(['color-contrast', 'link-in-text-block']);
      const { violations } = await axe.analyze();
      for (const { id, help, nodes } of violations) {
        faults.push(
          `${scheme} ${id}: ${help}: ${nodes
            .slice(0, 3)
            .map((node) => node.html.slice(0, 160))
            .join(' | ')}`,
        );
      }
    }
    await this.scheme('light');
    return faults;
  }

  /** In a window as high as the page: nothing lies half under a bar that stays in its place. */
  async wholePage<T>(look: () => Promise<T>): Promise<T> {
    const size = this.page.viewportSize()!;
    const height = Number(await this.page.evaluate('document.documentElement.scrollHeight'));
    await this.page.setViewportSize({ ...size, height: Math.max(size.height, Math.min(height, 10_000)) });
    try {
      return await look();
    } finally {
      await this.page.setViewportSize(size);
    }
  }

  /** A second tab of the same browser, signed in as the first. */
  async anotherTab(): Promise<Page> {
    return this.context.newPage();
  }

  /** How many streams of events all tabs together have asked for. */
  streamsOpened(): number {
    return this.streams;
  }

  /** Whether the page is wider than its window: nothing but tables may ask to be pushed sideways. */
  async isWiderThanWindow(): Promise<boolean> {
    const width: unknown = await this.page.evaluate('document.documentElement.scrollWidth - innerWidth');
    return Number(width) > 0;
  }

  /** Errors and refusals since the last look. */
  takeComplaints(): string[] {
    return this.complaints.splice(0);
  }

  /** A picture for a person to look at, only where DRYDOCK_SCREENSHOTS names a folder. */
  async picture(name: string, options: { schemes?: readonly Scheme[]; whole?: boolean } = {}): Promise<void> {
    const folder = process.env.DRYDOCK_SCREENSHOTS;
    if (!folder) return;
    mkdirSync(folder, { recursive: true });
    for (const scheme of options.schemes ?? (['light', 'dark'] as const)) {
      await this.scheme(scheme);
      await this.page.screenshot({ path: join(folder, `${name}-${scheme}.png`), fullPage: options.whole ?? true });
    }
    await this.scheme('light');
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}
