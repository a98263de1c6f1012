/**
 * P1 in SQL: whether a version string can name this artifact alone among those of its model. Another one carries it as
 * its running version, as the version it was uploaded under where nobody said what it calls itself, or in its file.
 */

/** @param art alias of `artifacts`. Never null. */
export const versionProvesSql = (art: string): string =>
  `(${art}.running_version is not null and not exists (
     select 1 from artifacts other where other.org_id = ${art}.org_id and other.model = ${art}.model
       and other.id <> ${art}.id
       and (other.running_version = ${art}.running_version
         or (other.running_version is null and other.version = ${art}.running_version)
         or coalesce(other.description -> 'images' @> jsonb_build_array(jsonb_build_object('version', ${art}.running_version)),
           false))))`;
