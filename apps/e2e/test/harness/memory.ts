import { readFileSync } from 'node:fs';

/** Resident memory of a process, in MiB. */
export function residentMiB(pid: number): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

/** Samples processes until it is stopped; gives the growth of each beyond its first sample, in MiB. */
export function watchMemory(pids: Readonly<Record<string, number>>): { stop(): Record<string, number> } {
  const first = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, residentMiB(pid)]));
  const highest = { ...first };
  const sample = setInterval(() => {
    for (const [name, pid] of Object.entries(pids)) {
      highest[name] = Math.max(highest[name] ?? 0, residentMiB(pid));
    }
  }, 100);
  return {
    stop: () => {
      clearInterval(sample);
      return Object.fromEntries(Object.entries(highest).map(([name, mib]) => [name, mib - (first[name] ?? 0)]));
    },
  };
}
