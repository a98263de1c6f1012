/** Whether a running version is affected by an advisory. What cannot be told is unknown, which is never safe (P11). */
import semver from 'semver';

export interface AffectedRule {
  /** Range of semantic versions, as node-semver reads it; null: only the named versions. */
  readonly affected: string | null;
  readonly affectedVersions: readonly string[];
  readonly unaffectedVersions: readonly string[];
}

export type Verdict = 'affected' | 'unaffected' | 'unknown';

/** Pre-releases within a range count: `1.4.3-rc.1` is before the `1.4.3` that mends. */
const OPTIONS = { includePrerelease: true };

/** @returns what is wrong with a rule; undefined when nothing is. */
export function faultOfRule(rule: AffectedRule): string | undefined {
  if (rule.affected === null && rule.affectedVersions.length === 0) {
    return 'names no version: give a range, or affectedVersions';
  }
  if (rule.affected !== null && semver.validRange(rule.affected, OPTIONS) === null) {
    return `${rule.affected} is no range of semantic versions (for instance ">=1.2.0 <1.4.3")`;
  }
  const named = new Set(rule.affectedVersions.map(canonical));
  const both = rule.unaffectedVersions.find((version) => named.has(canonical(version)));
  return both === undefined ? undefined : `${both} stands in both lists`;
}

/** Makes the judgement of one rule; the range is parsed once, for any number of versions. */
export function judgeOf(rule: AffectedRule): (version: string | null) => Verdict {
  const affected = new Set(rule.affectedVersions.map(canonical));
  const unaffected = new Set(rule.unaffectedVersions.map(canonical));
  const range = rule.affected === null ? undefined : new semver.Range(rule.affected, OPTIONS);
  return (version) => {
    if (version === null) return 'unknown';
    const name = canonical(version);
    if (unaffected.has(name)) return 'unaffected';
    if (affected.has(name)) return 'affected';
    // Without a range the list is all that is affected.
    if (range === undefined) return 'unaffected';
    const parsed = semver.parse(name);
    if (parsed === null) return 'unknown';
    return range.test(parsed) ? 'affected' : 'unaffected';
  };
}

/**
 * One spelling for one version: without a leading `v`, with three numbers. MCUboot's fourth number is written `1.2.3.4`
 * by devices and `1.2.3+4` by its tools; a range does not see it (Semantic Versioning 2.0.0, section 10), the lists do.
 */
function canonical(version: string): string {
  const match = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.(\d+))?((?:-[0-9A-Za-z.-]+)?)((?:\+[0-9A-Za-z.-]+)?)$/.exec(
    version.trim(),
  );
  if (!match) return version.trim();
  const [, major, minor = '0', patch = '0', build, pre = '', plus = ''] = match;
  const number = (text: string | undefined) => (text ?? '0').replace(/^0+(?=\d)/, '');
  const suffix = build === undefined ? plus : `+${number(build)}`;
  const shown = suffix === '+0' ? '' : suffix;
  return `${number(major)}.${number(minor)}.${number(patch)}${pre}${shown}`;
}
