import { execFileSync } from 'node:child_process';
import { cli } from '../../test/fake-gateway.js';

/** What bash would offer for these words, of which the last is being typed. */
function offered(script: string, ...words: readonly string[]): string[] {
  const typed = words.map((word) => `'${word}'`).join(' ');
  const ask = `COMP_WORDS=(hermes ${typed}); COMP_CWORD=${words.length}; _hermes; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', `${script}\n${ask}`], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean);
}

describe('hermes completion', () => {
  it('offers commands, their subcommands and their flags, whatever stands between', async () => {
    const { stdout, exitCode } = await cli(['completion', 'bash']);
    expect(exitCode).toBe(0);
    expect(offered(stdout, 'to')).toEqual(['topic']);
    expect(offered(stdout, 'dlq', '')).toEqual(expect.arrayContaining(['list', 'redrive', 'discard']));
    expect(offered(stdout, 'topic', 'create', 'orders', '--pri')).toEqual(['--priority-levels']);
    expect(offered(stdout, 'datasource', 'create', 'k1', '--topic-')).toEqual(['--topic-config', '--topic-prefix']);
    expect(offered(stdout, '--server', 'h:1', 'group', 'se')).toEqual(['seek']);
    expect(offered(stdout, 'group', 'seek', 't', 'g', '--dry')).toEqual(['--dry-run']);
  });

  it.each(['zsh', 'fish'])('has a script for %s', async (shell) => {
    const { stdout, exitCode } = await cli(['completion', shell]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(shell === 'zsh' ? 'bashcompinit' : 'complete -c hermes');
    expect(stdout).toContain('redrive');
  });

  it('knows no other shell', async () => {
    expect(await cli(['completion', 'tcsh'])).toMatchObject({
      exitCode: 64,
      stderr: expect.stringContaining('bash, zsh, fish') as unknown,
    });
  });
});
