/** P1 in SQL: whether a version string can name this artifact alone among those of its model. */

/** @param art alias of `artifacts`. Never null. */
export const versionProvesSql = (art: string): string =>
  `(${art}.running_version is not null and not exists (
     select 1 from artifacts other where other.org_id = ${art}.org_id and other.model = ${art}.model
       and other.id <> ${art}.id and other.running_version = ${art}.running_version))`;
