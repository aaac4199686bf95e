/** What has happened since the start. */
export interface KafkaCounters {
  /** Connections that were opened, to whichever Kafka broker. */
  connections: number;
  /** Those that were not opened, as that address had been tried too often just before. */
  connectionsHeldBack: number;
  /** Appends that were sent again, as it was not known what had become of them. */
  appendRepeats: number;
  /** Batches that were larger than what their Kafka topic takes. */
  oversizedAppends: number;
}

/** How it goes between this process and one Kafka cluster, for metrics. */
export interface KafkaFigures extends Readonly<KafkaCounters> {
  /** Lanes whose ends are followed: one for each that is open. */
  readonly lanesFollowed: number;
  /** Those of them that nobody leads, or whose last fetch has failed. */
  readonly lanesFailing: number;
  /** Batches that wait until the request before them is answered. */
  readonly appendsWaiting: number;
  /** Batches of which it is not known whether they are stored. */
  readonly appendsInDoubt: number;
}

export const kafkaCounters = (): KafkaCounters => ({
  connections: 0,
  connectionsHeldBack: 0,
  appendRepeats: 0,
  oversizedAppends: 0,
});
