/** A data directory whose broker is registered. */
export interface PlaceableDirectory {
  readonly dataDirectory: string;
  readonly brokerGroup: string;
  readonly host: string;
  /** Partitions that live there, of all topics and per topic. */
  readonly partitions: number;
  readonly topics: ReadonlyMap<string, number>;
  /** More than this are never placed there. */
  readonly partitionsMax: number;
  /** False: its broker is drained or stops. */
  readonly accepting: boolean;
}

/**
 * Chooses the data directory of a new embedded partition, where it stays for good: the one with fewest partitions of
 * its topic, then with fewest in all. Undefined: none may take it now.
 */
export function placeEmbedded(
  directories: readonly PlaceableDirectory[],
  topic: string,
  brokerGroup: string,
): string | undefined {
  const able = directories.filter(
    (directory) =>
      directory.accepting && directory.brokerGroup === brokerGroup && directory.partitions < directory.partitionsMax,
  );
  const onHost = (host: string): number =>
    directories.reduce((sum, other) => sum + (other.host === host ? (other.topics.get(topic) ?? 0) : 0), 0);
  const ranked = able.map((directory) => ({
    directory,
    rank: [directory.topics.get(topic) ?? 0, directory.partitions, onHost(directory.host)] as const,
  }));
  ranked.sort(
    (a, b) =>
      a.rank[0] - b.rank[0] ||
      a.rank[1] - b.rank[1] ||
      a.rank[2] - b.rank[2] ||
      (a.directory.dataDirectory < b.directory.dataDirectory ? -1 : 1),
  );
  return ranked[0]?.directory.dataDirectory;
}
