import { env } from 'node:process';

import { Simulation } from './simulation.js';

/** Which worlds to play. */
export interface SeedsOptions {
  /** Number of seeds, from `firstSeed`. */
  readonly seeds: number;
  /** 1 if unset. */
  readonly firstSeed?: number;
  /** Plays this seed alone; else the environment's HERMES_SEED does, if set. */
  readonly seed?: number;
  /** Builds a world from the seed, runs it, and throws when something that must hold does not. */
  readonly scenario: (simulation: Simulation) => void;
}

/** A scenario that failed, with all that is needed to see it again. */
export class SeedFailure extends Error {
  override readonly name = 'SeedFailure';
  readonly seed: number;
  readonly hash: string;
  readonly trace: readonly string[];

  constructor(simulation: Simulation, cause: unknown, repeats: boolean) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const again = repeats ? '' : ' (NOT REPRODUCED: the scenario is not deterministic)';
    const trace = simulation.trace.tail();
    super(
      `seed ${simulation.seed} fails at ${simulation.nowMs.toFixed(1)} ms${again}: ${reason}\n` +
        `replay with HERMES_SEED=${simulation.seed}; the last events:\n  ${trace.slice(-40).join('\n  ')}`,
      { cause },
    );
    this.seed = simulation.seed;
    this.hash = simulation.trace.hash;
    this.trace = trace;
  }
}

/** What was played. */
export interface SeedsReport {
  readonly seeds: number;
  readonly events: number;
}

/** Plays a scenario for many seeds; throws a SeedFailure for the first that fails, after having played it twice. */
export function runSeeds(options: SeedsOptions): SeedsReport {
  const only = options.seed ?? seedOf(env['HERMES_SEED']);
  const first = only ?? options.firstSeed ?? 1;
  const count = only === undefined ? options.seeds : 1;
  let events = 0;
  for (let seed = first; seed < first + count; seed++) {
    events += runSeed(seed, options.scenario);
  }
  return { seeds: count, events };
}

/** Plays seeds until one fails and gives that failure; undefined if none does. For planted bugs. */
export function findFailure(options: SeedsOptions): SeedFailure | undefined {
  try {
    runSeeds(options);
    return undefined;
  } catch (error) {
    if (error instanceof SeedFailure) {
      return error;
    }
    throw error;
  }
}

function runSeed(seed: number, scenario: (simulation: Simulation) => void): number {
  const simulation = new Simulation(seed);
  try {
    scenario(simulation);
  } catch (error) {
    throw new SeedFailure(simulation, error, hashOf(seed, scenario) === simulation.trace.hash);
  }
  return simulation.events;
}

function hashOf(seed: number, scenario: (simulation: Simulation) => void): string {
  const simulation = new Simulation(seed);
  try {
    scenario(simulation);
  } catch {
    // The failure that is to be repeated.
  }
  return simulation.trace.hash;
}

function seedOf(text: string | undefined): number | undefined {
  return text === undefined || text === '' ? undefined : Number(text);
}
