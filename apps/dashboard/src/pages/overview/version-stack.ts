/** Versions over time as layers that stand on each other. Pure: adds up nothing that the server does not state. */
import type { FleetVersions } from '@drydock/contracts';

export interface VersionLayer {
  readonly key: string;
  readonly label: string;
  /** For a named version; the others have none. */
  readonly version?: { readonly model: string | null; readonly version: string };
  readonly values: readonly number[];
  /** Where the layer begins and ends, one for each moment. */
  readonly from: readonly number[];
  readonly to: readonly number[];
}

export interface VersionStack {
  readonly atMs: readonly number[];
  /** The version that most run now lies at the bottom; other and not known on top. */
  readonly layers: readonly VersionLayer[];
  readonly totals: readonly number[];
  /** First and last index of stretches without a gap: what was not counted is not drawn. */
  readonly stretches: readonly (readonly [number, number])[];
}

export function versionStack({ versions, points, gapMs }: FleetVersions): VersionStack {
  const atMs = points.map(({ at }) => Date.parse(at));
  const models = new Set(versions.map(({ model }) => model));
  const parts: Omit<VersionLayer, 'from' | 'to'>[] = [
    ...versions.map((version, place) => ({
      key: `${version.model ?? ''} ${version.version}`,
      label: models.size > 1 ? `${version.version} · ${version.model ?? 'model not known'}` : version.version,
      version,
      values: points.map((point) => point.n[place] ?? 0),
    })),
    { key: 'other', label: 'other versions', values: points.map(({ other }) => other) },
    { key: 'unknown', label: 'version not known', values: points.map(({ unknown }) => unknown) },
  ];
  let ground: readonly number[] = points.map(() => 0);
  const layers = parts
    .filter(({ version, values }) => version !== undefined || values.some((value) => value > 0))
    .map((part) => {
      const from = ground;
      ground = from.map((value, index) => value + part.values[index]!);
      return { ...part, from, to: ground };
    });
  return { atMs, layers, totals: points.map(({ total }) => total), stretches: stretchesOf(atMs, gapMs) };
}

/** The name of a layer's ink: its place; other and not known have their own. */
export function inkOf({ layers }: VersionStack, layer: VersionLayer): string {
  return layer.version ? String(layers.indexOf(layer) + 1) : layer.key;
}

function stretchesOf(atMs: readonly number[], gapMs: number): (readonly [number, number])[] {
  const stretches: [number, number][] = [];
  atMs.forEach((at, index) => {
    const open = stretches.at(-1);
    if (open && at - atMs[open[1]]! <= gapMs) open[1] = index;
    else stretches.push([index, index]);
  });
  return stretches;
}

/** Round numbers from zero to at least `most`, four or five of them. */
export function roundTicks(most: number): number[] {
  const rough = Math.max(1, most) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, ([1, 2, 2.5, 5, 10].find((each) => each * power >= rough) ?? 10) * power);
  const whole = Number.isInteger(step) ? step : Math.ceil(step);
  return Array.from({ length: Math.ceil(Math.max(1, most) / whole) + 1 }, (_, index) => index * whole);
}
