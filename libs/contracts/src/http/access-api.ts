/**
 * `/api/v1` of the access room: who may do what.
 *
 * - `GET me`                                the signed-in person
 * - `GET roles/{role}/people`               anybody: who to ask
 * - `GET|POST people`, `GET|PATCH people/{id}`   admins
 * - `GET|POST people/{id}/tokens`           admins, or the person itself
 * - `DELETE tokens/{id}`                    admins, or the token's person
 */
import { z } from 'zod';
import { PageQuery } from './fleet-api.js';

export const PersonRole = z.enum(['viewer', 'operator', 'approver', 'admin']);
export type PersonRole = z.infer<typeof PersonRole>;

const PersonName = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}]+$/u, 'no control characters');
const Roles = z
  .array(PersonRole)
  .max(4)
  .refine((roles) => new Set(roles).size === roles.length, 'each role once');

export const Person = z.object({
  id: z.uuid(),
  name: z.string(),
  email: z.string().nullable(),
  roles: z.array(PersonRole),
  createdAt: z.iso.datetime(),
  disabledAt: z.iso.datetime().nullable(),
  /** Sent back as `If-Match`. */
  revision: z.int(),
});
export type Person = z.infer<typeof Person>;
export const PeopleQuery = PageQuery;
export type PeopleQuery = z.infer<typeof PeopleQuery>;
export const PeoplePage = z.object({ items: z.array(Person), next: z.string().optional() });
export type PeoplePage = z.infer<typeof PeoplePage>;

export const Me = z.object({
  person: Person,
  org: z.object({ id: z.uuid(), slug: z.string() }),
});
export type Me = z.infer<typeof Me>;

export const CreatePerson = z.strictObject({
  name: PersonName,
  email: z.email().max(254).optional(),
  roles: Roles.default(['viewer']),
});
export type CreatePerson = z.infer<typeof CreatePerson>;

export const ChangePerson = z.strictObject({
  name: PersonName.optional(),
  email: z.email().max(254).nullable().optional(),
  roles: Roles.optional(),
  disabled: z.boolean().optional(),
});
export type ChangePerson = z.infer<typeof ChangePerson>;

export const ApiToken = z.object({
  id: z.uuid(),
  personId: z.uuid(),
  name: z.string(),
  /** First characters, to recognize it. */
  hint: z.string(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
  lastUsedAt: z.iso.datetime().nullable(),
  revokedAt: z.iso.datetime().nullable(),
});
export type ApiToken = z.infer<typeof ApiToken>;
export const ApiTokens = z.object({ items: z.array(ApiToken) });
export type ApiTokens = z.infer<typeof ApiTokens>;

export const CreateApiToken = z.strictObject({
  name: z.string().trim().min(1).max(100),
  /** Days until it ends; left out: 90. */
  expiresInDays: z.int().min(1).max(3650).default(90),
});
export type CreateApiToken = z.infer<typeof CreateApiToken>;

/** The only answer that ever carries the token's text. */
export const CreatedApiToken = ApiToken.extend({ token: z.string() });
export type CreatedApiToken = z.infer<typeof CreatedApiToken>;

/** Who may do what asks for a role: for those who may not, so that they know whom to ask. At most five names. */
export const RoleHolders = z.object({ names: z.array(z.string()), more: z.int().min(0) });
export type RoleHolders = z.infer<typeof RoleHolders>;
