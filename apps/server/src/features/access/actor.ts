/** Who acts, and what they may do. Every route states its role with `@Roles(...)` or `@Public()`. */
import { applyDecorators, createParamDecorator, SetMetadata, type ExecutionContext } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';

/** viewer < operator < admin; approver stands beside operator. admin implies all. */
export const ROLES = ['viewer', 'operator', 'approver', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** What a person signed in with: an API token, or the session of a browser. */
export interface Credential {
  readonly kind: 'token' | 'session';
  readonly id: string;
}

export interface Actor {
  readonly kind: 'person';
  readonly orgId: string;
  readonly personId: string;
  /** What signed in. */
  readonly credential: Credential;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly ip: string;
  readonly requestId: string;
}

export const ROLES_KEY = 'drydock:roles';
/** Where the OpenAPI document states them. */
export const ROLES_EXTENSION = 'x-drydock-roles';
/** At least one of these roles is needed. Viewer is implied by every role, all by admin. */
export const Roles = (...roles: Role[]) =>
  applyDecorators(SetMetadata(ROLES_KEY, roles), ApiExtension(ROLES_EXTENSION, roles));

export const PUBLIC_KEY = 'drydock:public';
/** No sign-in: state why in the docstring of the route. */
export const Public = () => SetMetadata(PUBLIC_KEY, true);

/** Parameter decorator: the signed-in person, set by the access guard. */
export const CurrentActor = createParamDecorator((_: unknown, context: ExecutionContext): Actor => {
  return context.switchToHttp().getRequest<{ actor: Actor }>().actor;
});
