import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { FaultProxy, temporaryDirectory, type TemporaryDirectory } from '@hermes/testing';

const DETOURS = join(__dirname, '..', 'programs', 'detours.cjs');

/** What no longer passes between a process and others: anything, or what it says, or what it hears. */
export const LOSSES = ['everything', 'what it says', 'what it hears'] as const;
export type Loss = (typeof LOSSES)[number];

/** Where something listens, and what others know as its address. */
export interface Place {
  readonly host: string;
  readonly port: number;
  /** host:port; a proxy answers there, so nothing needs to. */
  readonly knownAs: string;
}

/**
 * The network between processes: each reaches each other by a proxy of their own, so that any two can be cut off from
 * each other, and from nobody else. A cut is silent, as a pulled cable is: nothing is refused or reset, and what was sent
 * before it healed arrives when it heals, even what its sender has given up since.
 */
export class Network implements AsyncDisposable {
  readonly #directory: TemporaryDirectory = temporaryDirectory('hermes-network-');
  readonly #titles: Set<string>;
  readonly #proxies = new Map<string, FaultProxy>();

  /** `titles`: of processes that are started later than lines are laid. */
  constructor(titles: readonly string[] = []) {
    this.#titles = new Set(titles);
  }

  /** What a process is to be started with, once lines are laid. */
  environmentOf = (title: string): Readonly<Record<string, string>> => {
    this.#titles.add(title);
    return { NODE_OPTIONS: `--require=${DETOURS}`, HERMES_TEST_DETOURS: this.#file(title) };
  };

  /** Lays a line to each of these from every process that has its environment. */
  async lay(places: ReadonlyMap<string, Place>): Promise<void> {
    for (const from of this.#titles) {
      const detours: Record<string, number> = {};
      for (const [to, place] of places) {
        const proxy = await FaultProxy.open(place);
        this.#proxies.set(line(from, to), proxy);
        detours[place.knownAs] = proxy.port;
      }
      writeFileSync(this.#file(from), JSON.stringify(detours));
    }
  }

  /** Until it is disposed a process loses this of what it exchanges with the others, whoever of them dials. */
  cut(process: string, others: readonly string[], loss: Loss): Disposable {
    const said = loss === 'what it hears' ? 'pass' : 'hold';
    const heard = loss === 'what it says' ? 'pass' : 'hold';
    const lines = others.flatMap((other) => [
      { proxy: this.#proxies.get(line(process, other)), faults: { requests: said, replies: heard } as const },
      { proxy: this.#proxies.get(line(other, process)), faults: { requests: heard, replies: said } as const },
    ]);
    for (const { proxy, faults } of lines) {
      proxy?.set(faults);
    }
    return {
      [Symbol.dispose]: () => {
        for (const { proxy } of lines) {
          proxy?.heal();
        }
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.close()));
    this.#directory.remove();
  }

  #file(title: string): string {
    return join(this.#directory.path, `${title}.json`);
  }
}

/** Those whose addresses others dial as they are. */
export function placesOf(endpoints: ReadonlyMap<string, string>): Map<string, Place> {
  return new Map(
    [...endpoints].map(([title, knownAs]) => {
      const [host = '', port] = knownAs.split(':');
      return [title, { host, port: Number(port), knownAs }];
    }),
  );
}

function line(from: string, to: string): string {
  return `${from} > ${to}`;
}
