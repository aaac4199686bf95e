import { HermesError } from '@hermes/contracts';

/** A stored resource: its id and the revision of its last change name one version of it for ever. */
interface Versioned {
  readonly id: number;
  readonly configRevision: number;
}

/** Opaque to callers; changes with each update. */
export function etagOf({ id, configRevision }: Versioned): string {
  return `${id.toString(36)}-${configRevision.toString(36)}`;
}

/** ETAG_MISMATCH if the caller gave an etag and the resource has another one by now. */
export function checkEtag(given: string, current: Versioned, what: string): void {
  if (given !== '' && given !== etagOf(current)) {
    throw new HermesError('ETAG_MISMATCH', `${what} was changed meanwhile: read it again`, {
      details: { etag: etagOf(current) },
    });
  }
}
