import { StorageClass } from '@hermes/contracts';

/** The storage classes by their names in configurations. */
export const STORAGE_CLASSES = {
  embedded: StorageClass.EMBEDDED,
  mysql: StorageClass.MYSQL,
  kafka: StorageClass.KAFKA,
} as const;

/** Those that brokers of this release can serve: the one switch. Topics of the others are NOT_IMPLEMENTED. */
export const SERVED_STORAGE_CLASSES: ReadonlySet<StorageClass> = new Set([StorageClass.EMBEDDED, StorageClass.MYSQL]);
