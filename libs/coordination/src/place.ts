/** A data directory whose broker is registered. */
export interface PlaceableDirectory {
  readonly dataDirectory: string;
  readonly brokerGroup: string;
  readonly zone: string;
  readonly host: string;
  /** Its share of the partitions in proportion to the others': above 0. */
  readonly weight: number;
  /** Partitions that live there, of all topics and per topic. */
  readonly partitions: number;
  readonly topics: ReadonlyMap<string, number>;
  /** More than this are never placed there. */
  readonly partitionsMax: number;
  /** False: its broker is drained or stops. */
  readonly accepting: boolean;
}

/**
 * Chooses the data directory of a new partition that needs one, where it stays for good: the one with fewest partitions of
 * its topic for its weight, then with fewest in all, then in the zone and on the host with fewest of the topic. Undefined:
 * none may take it now.
 */
export function placeInDirectory(
  directories: readonly PlaceableDirectory[],
  topic: string,
  brokerGroup: string,
): string | undefined {
  const able = directories.filter(
    (directory) =>
      directory.accepting && directory.brokerGroup === brokerGroup && directory.partitions < directory.partitionsMax,
  );
  const ofTopic = (directory: PlaceableDirectory): number => directory.topics.get(topic) ?? 0;
  const within = (place: 'zone' | 'host', directory: PlaceableDirectory): number =>
    directories.reduce((sum, other) => sum + (other[place] === directory[place] ? ofTopic(other) : 0), 0);
  const ranked = able.map((directory) => {
    const shared = [within('zone', directory), within('host', directory)];
    // Half a partition more: among empty ones the heaviest comes first, and each rounds to its nearest share.
    const counts = [ofTopic(directory), directory.partitions].map((count) => (count + 0.5) / directory.weight);
    return { directory, rank: [...counts, ...shared] };
  });
  ranked.sort((a, b) => compare(a.rank, b.rank) || (a.directory.dataDirectory < b.directory.dataDirectory ? -1 : 1));
  return ranked[0]?.directory.dataDirectory;
}

/** By the first numbers that differ. */
function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at === -1 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
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
