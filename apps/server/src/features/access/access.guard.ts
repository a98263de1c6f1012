/** The one guard in front of every route. It fails closed: a route that states neither role nor `@Public()` is denied. */
import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ProblemError } from '../../http/problem-error.js';
import type { RequestWithId } from '../../http/request-context.js';
import { PUBLIC_KEY, ROLES_KEY, type Actor, type Role } from './actor.js';
import { SignIn } from './sign-in.js';

@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(SignIn) private readonly signIn: SignIn,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const places = [context.getHandler(), context.getClass()];
    const needed = this.reflector.getAllAndOverride<readonly Role[] | undefined>(ROLES_KEY, places);
    if (!needed && this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC_KEY, places)) return true;
    if (!needed || needed.length === 0)
      throw new ProblemError('request.forbidden', { role: 'that this route does not state' });

    const request = context.switchToHttp().getRequest<RequestWithId & { actor?: Actor }>();
    const actor = await this.signIn.caller(request);
    if (!mayAct(actor.roles, needed)) throw new ProblemError('request.forbidden', { role: needed.join(' or ') });
    request.actor = actor;
    return true;
  }
}

/** Admin implies all; every role implies viewer. */
export function mayAct(held: readonly Role[], needed: readonly Role[]): boolean {
  if (held.includes('admin')) return true;
  if (needed.includes('viewer') && held.length > 0) return true;
  return needed.some((role) => held.includes(role));
}
