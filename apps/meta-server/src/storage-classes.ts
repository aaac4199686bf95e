import { StorageClass } from '@hermes/contracts';

/** The storage classes by their names in configurations. */
export const STORAGE_CLASSES = {
  embedded: StorageClass.EMBEDDED,
  mysql: StorageClass.MYSQL,
  kafka: StorageClass.KAFKA,
} as const;
