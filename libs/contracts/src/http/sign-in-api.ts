/**
 * `/api/v1` of the sign-in room: sessions of browsers, passwords, and the way in through an OpenID provider.
 *
 * - `GET session/methods`                     anybody: what the sign-in page offers
 * - `POST session`                            anybody: a session for a password or an API token; sets the cookie
 * - `GET|DELETE session`                      the signed-in person: this session; sign out
 * - `POST session/confirm`                    the signed-in person: a fresh proof that it is they, for what asks for one
 * - `GET session/oidc`, `…/oidc/callback`     anybody: a browser's way to the OpenID provider and back
 * - `GET people/{id}/sessions`                admins, or the person itself
 * - `DELETE sessions/{id}`                    admins, or the session's person
 * - `POST people/{id}/password-link`          admins: a link that sets a password, once, within a day
 * - `POST password`                           anybody who holds such a link
 * - `PUT me/password`                         the person itself
 */
import { z } from 'zod';
import { Me } from './access-api.js';

/** Shortest and longest password that is taken, in Unicode code points. */
export const PASSWORD_LENGTH = { min: 12, max: 200 } as const;

const codePoints = (text: string) => [...text].length;
const GivenPassword = z.string().min(1).max(1024);
const NewPassword = GivenPassword.refine(
  (text) => codePoints(text) >= PASSWORD_LENGTH.min && codePoints(text) <= PASSWORD_LENGTH.max,
  `${PASSWORD_LENGTH.min} to ${PASSWORD_LENGTH.max} characters`,
).refine((text) => new Set(text).size >= 5, 'at least five different characters');

/** What the sign-in page offers. */
export const SignInMethods = z.object({
  password: z.boolean(),
  /** Name of the OpenID provider on the button; null: none is set up. */
  oidc: z.string().nullable(),
});
export type SignInMethods = z.infer<typeof SignInMethods>;

export const SignInWith = z.discriminatedUnion('with', [
  z.strictObject({ with: z.literal('password'), email: z.string().min(1).max(254), password: GivenPassword }),
  /** A personal API token: how the first admin comes in. The session ends with the token at the latest. */
  z.strictObject({ with: z.literal('token'), token: z.string().min(1).max(200) }),
]);
export type SignInWith = z.infer<typeof SignInWith>;

export const SESSION_METHODS = ['password', 'token', 'oidc'] as const;
export const SessionMethod = z.enum(SESSION_METHODS);
export type SessionMethod = z.infer<typeof SessionMethod>;

/** The session of the asking browser. */
export const OwnSession = Me.extend({
  id: z.uuid(),
  /** Sent back as `X-Drydock-Csrf` with everything but GET. */
  csrfToken: z.string(),
  /** Without any request it ends then. */
  idleEndsAt: z.iso.datetime(),
  /** It ends then whatever happens. */
  endsAt: z.iso.datetime(),
  /** When the person last proved who they are: by password, token or a fresh sign-in at the provider. */
  confirmedAt: z.iso.datetime().nullable(),
  /** How it was opened. */
  method: SessionMethod,
  /** Whether this person has a password of their own. */
  hasPassword: z.boolean(),
});
export type OwnSession = z.infer<typeof OwnSession>;

/** An approval given in a browser needs a proof that is no older; an API token proves itself with every request. */
export const FRESH_SIGN_IN_MINUTES = 10;

/** The header that a request of a browser's session carries; its value is `csrfToken`. */
export const CSRF_HEADER = 'X-Drydock-Csrf';

export const SessionRow = z.object({
  id: z.uuid(),
  method: SessionMethod,
  createdAt: z.iso.datetime(),
  seenAt: z.iso.datetime(),
  endsAt: z.iso.datetime(),
  /** Address it was opened from. */
  address: z.string(),
  /** What the browser called itself, cut to 200 characters. */
  userAgent: z.string(),
  /** Whether it is the one that asks. */
  own: z.boolean(),
});
export type SessionRow = z.infer<typeof SessionRow>;
export const SessionRows = z.object({ items: z.array(SessionRow) });
export type SessionRows = z.infer<typeof SessionRows>;

/** The only answer that carries the link; it works once. */
export const PasswordLink = z.object({ url: z.url(), expiresAt: z.iso.datetime() });
export type PasswordLink = z.infer<typeof PasswordLink>;

export const SetPassword = z.strictObject({ token: z.string().min(1).max(200), password: NewPassword });
export type SetPassword = z.infer<typeof SetPassword>;

export const ChangePassword = z.strictObject({
  /** Wanted where there is one already. */
  current: GivenPassword.optional(),
  password: NewPassword,
});
export type ChangePassword = z.infer<typeof ChangePassword>;
