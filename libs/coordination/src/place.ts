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

/** A data source that may take a partition. */
export interface PlaceableDataSource {
  readonly name: string;
  /** Partitions that live there, of all topics, and of the topic in question. */
  readonly partitions: number;
  readonly ofTopic: number;
}

/**
 * Chooses the data source of a new partition, where it stays. A topic that names data sources is spread over them; one
 * that names none goes where the fewest partitions are. Undefined: there is none.
 */
export function placeOnDataSource(
  sources: readonly PlaceableDataSource[],
  { named }: { readonly named: boolean },
): string | undefined {
  const spread = ({ ofTopic }: PlaceableDataSource): number => (named ? ofTopic : 0);
  const ranked = [...sources].sort(
    (a, b) => spread(a) - spread(b) || a.partitions - b.partitions || (a.name < b.name ? -1 : 1),
  );
  return ranked[0]?.name;
}
