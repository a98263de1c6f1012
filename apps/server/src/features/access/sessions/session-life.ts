/** How long sessions live. */

/** Without any request a session ends after so long; with requests after so long. */
export const IDLE_HOURS = 12;
export const LIFE_DAYS = 7;
/** Sessions that have ended are kept for the list of the person for so long. */
export const ENDED_SESSIONS_KEPT_DAYS = 30;

/**
 * SQL: the session `s` of the person `p`, opened by the API token `t` where it was one, still signs in.
 * Who is away for long leaves an open browser behind; a revoked token takes its sessions along.
 */
export const LIVE_SESSION = `s.ended_at is null and s.ends_at > now() and s.seen_at > now() - interval '${IDLE_HOURS} hours'
  and p.disabled_at is null
  and (s.api_token_id is null or (t.revoked_at is null and (t.expires_at is null or t.expires_at > now())))`;
