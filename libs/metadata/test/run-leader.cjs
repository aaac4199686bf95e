// A leader in a process of its own, for tests that stop it: `node run-leader.cjs URL PASSWORD_FILE HOLDER`.
// Every line that it prints is one JSON object. Told `freeze` it stops itself (SIGSTOP) in the middle of a transaction,
// with the leadership's row locked; continued, it says what became of that and of one more try.
const { openMetadata } = require('@hermes/metadata');

const [url, passwordFile, holder] = process.argv.slice(2);
const say = (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`);
const outcomeOf = (promise) =>
  promise.then(
    () => 'OK',
    (error) => error.code ?? String(error),
  );

async function main() {
  const database = await openMetadata({ url, passwordFile });
  const metadata = await database.lead({ holder, signal: new AbortController().signal });
  void metadata.leadership.lost.then(({ code }) => say({ lost: code }));
  say({ epoch: metadata.leadership.epoch });
  const pause = (meanwhile) =>
    outcomeOf(
      metadata.topics.update('orders', ({ config }) => {
        meanwhile();
        return { ...config, paused: true };
      }),
    );
  process.stdin.once('data', async () => {
    const frozen = await pause(() => {
      say({ freezing: true });
      process.kill(process.pid, 'SIGSTOP');
    });
    const believes = metadata.leadership.isValid();
    say({ frozen, believes, again: await pause(() => undefined) });
  });
}

main().catch((error) => say({ failed: error.message }));
