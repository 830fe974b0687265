/** A raw file that has arrived, as the worker of its group and detector is told. */
export interface Raw {
  readonly instrument: string;
  readonly group: string;
  readonly detector: number;
  /** Snap of the group, from 0. */
  readonly snap: number;
  /** Number in the Butler. Exposures of two controllers may share it: `obsId` tells them apart. */
  readonly exposureId: number;
  readonly obsId: string;
  /** Bucket as the events name it. */
  readonly bucket: string;
  readonly key: string;
  /** What tells this PUT of the object from another. */
  readonly identity: string;
}

/** Field of a raw in the hash of its group. */
export const rawField = ({ detector, obsId }: Raw) => `${detector}/${obsId}`;

/** @throws SyntaxError when the text is none that was published. */
export function parseRaw(text: string): Raw {
  return JSON.parse(text) as Raw;
}
